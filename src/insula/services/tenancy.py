"""What a person does with tenants: create, look, wait, suspend, resume, delete. The cluster is a port."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from insula.domain import names
from insula.domain.conditions import ConditionType
from insula.domain.errors import ConflictError, NotFoundError, RefusedError, UnavailableError
from insula.domain.manifests import Manifest, ObjectRef
from insula.domain.tenants import DeletionPolicy
from insula.reconcile import reading, terminating

POLL_S: Final = 1.0  # conditions change in seconds; one GET a second costs an API server nothing


class Cluster(Protocol):
    """What the use cases of a person need from Kubernetes. Every method may raise an InsulaError."""

    async def find(self, ref: ObjectRef) -> Manifest | None:
        """Return the object, or None where it does not exist."""

    async def list(
        self, api_version: str, kind: str, *, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        """Return the objects of a kind, everywhere or in one namespace, that bear all the labels."""

    async def create(self, manifest: Manifest) -> Manifest:
        """Create an object; raises ConflictError where it exists already."""

    async def merge_patch(self, ref: ObjectRef, patch: Mapping[str, Any]) -> Manifest:
        """Apply a JSON merge patch; raises NotFoundError where the object does not exist."""

    async def delete(self, ref: ObjectRef) -> bool:
        """Delete an object and say whether it was there."""


@dataclass(frozen=True)
class Statement:
    """One condition as it stands on a Tenant; `current` is False where it speaks of an older spec."""

    type: str
    status: str
    reason: str
    message: str
    current: bool

    @property
    def holds(self) -> bool:
        """Whether the condition is true of the present spec."""
        return self.current and self.status == "True"


@dataclass(frozen=True)
class TenantView:
    """A Tenant as a person looks at it. Texts are empty where nothing is known yet."""

    name: str
    owner: str
    plan: str
    url: str
    models: tuple[str, ...]
    suspended: bool
    deletion_policy: DeletionPolicy
    created: str
    statements: tuple[Statement, ...]

    def statement(self, kind: ConditionType) -> Statement | None:
        """Return the condition of a type, or None where the operator has not spoken of it."""
        return next((each for each in self.statements if each.type == kind), None)

    @property
    def is_ready(self) -> bool:
        """Whether the home answers."""
        ready = self.statement(ConditionType.READY)
        return ready is not None and ready.holds

    @property
    def obstacle(self) -> Statement | None:
        """Return the first condition, in the order of a tenant's life, that does not hold."""
        return next((each for each in self.statements if not each.holds), None)


def tenant_ref(name: str) -> ObjectRef:
    """Return the reference of a Tenant."""
    return ObjectRef(names.API_VERSION, "Tenant", "", name)


def namespace_ref(tenant: str) -> ObjectRef:
    """Return the reference of a tenant's Namespace."""
    return ObjectRef("v1", "Namespace", "", names.namespace(tenant))


def view(manifest: Manifest) -> TenantView:
    """Read a Tenant object; unknown and missing fields are no error, for an older or newer API may have written it."""
    metadata, spec, status = manifest["metadata"], manifest.get("spec", {}), manifest.get("status", {})
    generation = metadata.get("generation", 0)
    found = {entry.get("type", ""): _statement(entry, generation) for entry in status.get("conditions", [])}
    known = [found[kind] for kind in ConditionType if kind in found]
    return TenantView(
        name=metadata["name"],
        owner=spec.get("owner", ""),
        plan=spec.get("plan", ""),
        url=status.get("url", ""),
        models=tuple(spec.get("ollama", {}).get("models", [])),
        suspended=bool(spec.get("suspended", False)),
        deletion_policy=DeletionPolicy(spec.get("deletionPolicy", DeletionPolicy.RETAIN)),
        created=metadata.get("creationTimestamp", ""),
        statements=tuple(known),
    )


def _statement(entry: Mapping[str, Any], generation: int) -> Statement:
    return Statement(
        type=str(entry.get("type", "")),
        status=str(entry.get("status", "Unknown")),
        reason=str(entry.get("reason", "")),
        message=str(entry.get("message", "")),
        current=int(entry.get("observedGeneration", generation)) >= generation,
    )


async def look(cluster: Cluster, name: str) -> Manifest:
    """Return a Tenant object.

    Raises:
        NotFoundError: There is no such tenant.
    """
    found = await cluster.find(tenant_ref(name))
    if found is None:
        raise NotFoundError(f"there is no tenant {name!r}", remedy="`insula tenant list` shows those that exist")
    return found


async def look_at_all(cluster: Cluster) -> list[Manifest]:
    """Return all Tenant objects by name.

    Raises:
        NotFoundError: The cluster has no Insula.
    """
    try:
        found = await cluster.list(names.API_VERSION, "Tenant")
    except NotFoundError as error:
        raise _no_insula() from error
    return sorted(found, key=lambda each: str(each["metadata"]["name"]))


async def create(cluster: Cluster, manifest: Manifest) -> Manifest:
    """Create a Tenant.

    Raises:
        ConflictError: A tenant of this name exists.
        NotFoundError: The cluster has no Insula.
    """
    name = manifest["metadata"]["name"]
    try:
        return await cluster.create(manifest)
    except NotFoundError as error:
        raise _no_insula() from error
    except ConflictError as error:
        raise ConflictError(
            f"a tenant {name!r} exists already", remedy=f"`insula tenant show {name}` shows it; choose another name"
        ) from error


def _no_insula() -> NotFoundError:
    return NotFoundError("this cluster knows no Tenants: Insula is not installed", remedy="`insula doctor` says more")


async def suspend(cluster: Cluster, name: str, *, suspended: bool) -> Manifest:
    """Put a tenant to rest, or wake it: its volumes stay in both cases."""
    await look(cluster, name)
    return await cluster.merge_patch(tenant_ref(name), {"spec": {"suspended": suspended}})


async def follow(cluster: Cluster, name: str, *, poll_s: float = POLL_S) -> AsyncIterator[TenantView]:
    """Yield the tenant as it stands, then again every `poll_s` seconds, without end.

    Raises:
        NotFoundError: The tenant went.
        RefusedError: The operator does not accept the spec.
    """
    while True:
        seen = view(await look(cluster, name))
        yield seen
        accepted = seen.statement(ConditionType.ACCEPTED)
        if accepted is not None and accepted.current and accepted.status == "False":
            raise RefusedError(f"tenant {name!r} is not accepted: {accepted.message} ({accepted.reason})")
        await asyncio.sleep(poll_s)


async def delete(cluster: Cluster, name: str, *, purge: bool, patience_s: float = 30.0, poll_s: float = POLL_S) -> None:
    """Delete a Tenant; `purge` destroys its data too, whatever its policy says.

    The operator must have written the policy to the Namespace before the Tenant goes, for the Namespace is all
    that it has afterwards; so a purge waits for that, at most `patience_s` seconds.

    Raises:
        NotFoundError: There is no such tenant and, when purging, no retained data either.
        UnavailableError: The operator did not take note of the purge; nothing was deleted.
    """
    if purge:
        await _mark_for_destruction(cluster, name, patience_s=patience_s, poll_s=poll_s)
    if not await cluster.delete(tenant_ref(name)) and not purge:
        raise NotFoundError(f"there is no tenant {name!r}", remedy="`insula tenant list` shows those that exist")


async def _mark_for_destruction(cluster: Cluster, name: str, *, patience_s: float, poll_s: float) -> None:
    policy = DeletionPolicy.DELETE.value
    if await cluster.find(tenant_ref(name)) is None:
        if await cluster.find(namespace_ref(name)) is None:
            raise NotFoundError(f"there is no tenant {name!r} and no retained data of one")
        await cluster.merge_patch(namespace_ref(name), {"metadata": {"annotations": {_POLICY: policy}}})
        return
    await cluster.merge_patch(tenant_ref(name), {"spec": {"deletionPolicy": policy}})
    try:
        async with asyncio.timeout(patience_s):
            while True:
                namespace = await cluster.find(namespace_ref(name))
                if namespace is None or namespace["metadata"].get("annotations", {}).get(_POLICY) == policy:
                    return
                await asyncio.sleep(poll_s)
    except TimeoutError as error:
        raise UnavailableError(
            f"the operator did not take note of the purge of {name!r} within {patience_s:.0f} s; nothing was deleted",
            remedy="`insula doctor` says whether the operator runs",
        ) from error


async def will_destroy(cluster: Cluster, name: str, *, purge: bool) -> bool:
    """Say whether a deletion would destroy the tenant's data.

    Raises:
        NotFoundError: There is nothing to delete.
    """
    found = await cluster.find(tenant_ref(name))
    if found is not None:
        return purge or view(found).deletion_policy is DeletionPolicy.DELETE
    if purge and await cluster.find(namespace_ref(name)) is not None:
        return True
    retained = "" if purge else f"; data that was kept goes with `insula tenant delete {name} --purge`"
    raise NotFoundError(f"there is no tenant {name!r}", remedy=f"`insula tenant list` shows those that exist{retained}")


async def running_pods(cluster: Cluster, name: str) -> list[str]:
    """Return the tenant's pods that have not ended, as words."""
    pods = await cluster.list("v1", "Pod", namespace=names.namespace(name), labels={names.LABEL_TENANT: name})
    running = [each for each in pods if each.get("status", {}).get("phase") not in {"Succeeded", "Failed"}]
    return [f"pod {each['metadata']['name']}" for each in running]


async def what_is_left(cluster: Cluster, name: str, *, destroys: bool) -> list[str]:
    """Return what has still to go after a deletion, as words; empty when it is complete."""
    if destroys:
        namespace = await cluster.find(namespace_ref(name))
        if namespace is None:
            return []
        held = terminating.what_holds(namespace) if reading.is_leaving(namespace) else ""
        return [f"the namespace ({held})" if held else "the namespace"]
    ingress = ObjectRef("networking.k8s.io/v1", "Ingress", names.namespace(name), names.HOME_ASSISTANT)
    route = ["the route"] if await cluster.find(ingress) is not None else []
    return route + await running_pods(cluster, name)


_POLICY: Final = names.ANNOTATION_DELETION_POLICY
