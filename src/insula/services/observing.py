"""Sees one home: from caches what changes often, by asking what is rarely needed or may not be watched."""

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from insula.domain import names
from insula.domain.errors import InsulaError, NotFoundError, RefusedError
from insula.domain.manifests import Manifest, ObjectRef
from insula.domain.platform import Platform
from insula.reconcile import reading
from insula.reconcile.model import Observed, PullProgress, SecretKind
from insula.services import braking, resolving
from insula.services.braking import Brake
from insula.services.ports import Inquiry, View
from insula.services.resolving import HostClaims, Resolution

# Secrets may not be watched over the whole cluster; one that a person deleted is missed after this time.
SECRETS_TTL_S: Final = 300.0
NEIGHBOURS_LOOKED_AT: Final = 16  # any one will do, and a look may not cost more with more tenants
LOG_LINES: Final = 5  # the last line that reports progress may stand before a warning or two

_log = structlog.get_logger(__name__)


class Sight(View, Inquiry, Protocol):
    """What an observer needs."""


@dataclass(frozen=True)
class _Resolved:
    """A resolution and what it was made from: while that is the same, so is it."""

    source: tuple[object, ...]
    resolution: Resolution


@dataclass
class _SecretsSeen:
    namespace_uid: str
    until: float
    asked: set[str] = field(default_factory=set)
    found: dict[str, Manifest] = field(default_factory=dict)


class Observer:
    """Puts together what `reconcile.decide` is told.

    Args:
        sight: Caches and the API server.
        platform: The provider's settings.
        brake: Says whether a home that lost its Tenant may go; None: all may.
        may_restart: Says whether a home has its turn to be restarted.
        used_s: For how many seconds models have computed today for the home of an identity.
        wake: Is called with tenants that another one's change of hosts concerns.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        sight: Sight,
        platform: Platform,
        *,
        brake: Brake | None = None,
        may_restart: Callable[[str], bool] = lambda _name: True,
        used_s: Callable[[str], float] = lambda _tenant_id: 0.0,
        wake: Callable[[str], None] = lambda _name: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sight = sight
        self._platform = platform
        self._brake = brake
        self._may_restart = may_restart
        self._used_s = used_s
        self._wake = wake
        self._clock = clock
        self._claims = HostClaims()
        self._resolved: dict[str, _Resolved] = {}
        self._secrets: dict[str, _SecretsSeen] = {}

    async def survey(self) -> None:
        """Take note of every tenant's hosts. Call it once, when the caches are full and before the first look."""
        for tenant in list(self._sight.tenants()):
            name = tenant["metadata"]["name"]
            self._resolve(name, self._sight.namespace(name))
            await asyncio.sleep(0)  # ten thousand take longer than the Lease lasts: it is renewed in between

    async def observe(self, name: str) -> Observed:
        """Return what is to be seen of one home.

        Raises:
            UnavailableError: The API server did not answer.
        """
        namespace = await self._namespace(name)
        resolution = self._resolve(name, namespace)
        tenant = self._sight.tenant(name)
        if tenant is None and namespace is None:
            self._forget(name)
        objects = self._sight.objects(name)
        return Observed(
            tenant=tenant,
            desired=resolution.desired,
            rejection=resolution.rejection,
            accepted_spec=resolution.accepted_spec,
            latched=resolution.latched,
            namespace=namespace,
            objects=objects,
            secrets=await self._secrets_of(name, namespace),
            host_claims=self._claims.of(resolution.hosts),
            pull_progress=await self._pull_progress(name, objects),
            waiting=resolution.waiting,
            waiting_spec=resolution.waiting_spec,
            own_change=resolution.own_change,
            may_restart=self._may_restart(name),
            hold=self._hold(name, tenant, namespace),
            neighbour=self._neighbour(name),
            used_gpu_s=self._used_s(reading.tenant_id(namespace)),
        )

    def keep_secret(self, tenant: str, manifest: Manifest) -> None:
        """Take note of a Secret that we made ourselves."""
        namespace = self._sight.namespace(tenant)
        if namespace is not None:
            name = manifest["metadata"]["name"]
            seen = self._secrets_seen(tenant, namespace["metadata"]["uid"])
            seen.asked.add(name)
            seen.found[name] = _without_content(manifest)

    def doubt_secrets(self, tenant: str) -> None:
        """Ask for a tenant's Secrets again at the next look."""
        self._secrets.pop(tenant, None)

    async def _namespace(self, name: str) -> Manifest | None:
        """Return the Namespace; where the cache knows none, make sure: one without our label may stand there."""
        cached = self._sight.namespace(name)
        if cached is not None:
            return cached
        return await self._sight.find(ObjectRef("v1", "Namespace", "", names.namespace(name)))

    def _resolve(self, name: str, namespace: Manifest | None) -> Resolution:
        tenant = self._sight.tenant(name)
        plan = self._sight.plan(str(tenant.get("spec", {}).get("plan", ""))) if tenant else None
        annotations = namespace["metadata"].get("annotations", {}) if namespace else {}
        accepted_spec = str(annotations.get(names.ANNOTATION_ACCEPTED_SPEC, ""))
        is_held = tenant is None and names.ANNOTATION_HELD_SINCE in annotations
        source = (_spec_of(tenant), _spec_of(plan), accepted_spec, is_held)
        known = self._resolved.get(name)
        if known is not None and known.source == source:
            return known.resolution
        resolution = resolving.resolve_home(name, tenant, plan, accepted_spec, self._platform)
        self._resolved[name] = _Resolved(source, resolution)
        # A home that the brake holds keeps its address, too: nobody else gets what its resident types in.
        claimant = namespace if is_held else tenant
        for other in self._claims.update(name, claimant, resolution.hosts):
            self._wake(other)
        return resolution

    def _hold(self, name: str, tenant: Manifest | None, namespace: Manifest | None) -> str:
        if self._brake is None or namespace is None or (tenant and braking.is_home_of(namespace, tenant)):
            return ""
        return self._brake.hold(name)

    def _neighbour(self, name: str) -> str:
        """Return another tenant whose home has been claimed, so that its Service most likely leads somewhere."""
        for tenant in itertools.islice(self._sight.tenants(), NEIGHBOURS_LOOKED_AT):
            other = str(tenant["metadata"]["name"])
            namespace = self._sight.namespace(other) if other != name else None
            if namespace and names.ANNOTATION_CLAIMED in namespace["metadata"].get("annotations", {}):
                return other
        return ""

    def _forget(self, name: str) -> None:
        self._resolved.pop(name, None)
        self._secrets.pop(name, None)

    async def _secrets_of(self, name: str, namespace: Manifest | None) -> Mapping[str, Manifest]:
        if namespace is None or namespace["metadata"].get("deletionTimestamp"):
            return {}
        uid = namespace["metadata"]["uid"]
        seen = self._secrets_seen(name, uid)
        # What was answered is kept even where the next answer fails: the next look then asks for the rest.
        for missing in [kind.value for kind in SecretKind if kind.value not in seen.asked]:
            try:
                found = await self._sight.find(ObjectRef("v1", "Secret", names.namespace(name), missing))
            except RefusedError:
                return {}  # the RoleBinding that lets us look is not there yet
            seen.asked.add(missing)
            if found is not None:
                seen.found[missing] = _without_content(found)
        return dict(seen.found)

    def _secrets_seen(self, name: str, namespace_uid: str) -> _SecretsSeen:
        seen = self._secrets.get(name)
        if seen is None or seen.namespace_uid != namespace_uid or self._clock() >= seen.until:
            seen = self._secrets[name] = _SecretsSeen(namespace_uid, self._clock() + SECRETS_TTL_S)
        return seen

    async def _pull_progress(self, name: str, objects: Mapping[ObjectRef, Manifest]) -> PullProgress | None:
        pod = _running_pull(objects.values())
        if pod is None:
            return None
        try:
            lines = await self._sight.last_lines(names.namespace(name), pod["metadata"]["name"], count=LOG_LINES)
        except NotFoundError:
            return None  # it ended while we looked
        except InsulaError as error:
            _log.info("progress_unknown", tenant=name, error=str(error))
            return None
        return next((progress for line in reversed(lines) if (progress := parse_progress(line))), None)


def _spec_of(manifest: Manifest | None) -> object:
    """Return what tells one spec of a Tenant or Plan from another; their status changes much more often."""
    if manifest is None:
        return None
    metadata = manifest["metadata"]
    return (metadata["uid"], metadata["generation"]) if metadata.get("generation") else manifest


def _without_content(secret: Manifest) -> Manifest:
    """Return what is read of a Secret; nothing needs its content, and so it is not kept."""
    metadata = secret["metadata"]
    return {"metadata": {key: metadata[key] for key in ("name", "annotations", "labels") if key in metadata}}


def parse_progress(line: str) -> PullProgress | None:
    """Return the progress that a line of the pull Job's log reports, `None` where it speaks of something else."""
    try:
        report = json.loads(line)
        return PullProgress(str(report["model"]), int(report["completed"]), int(report["total"]))
    except (ValueError, KeyError, TypeError):
        return None


def _running_pull(objects: Iterable[Manifest]) -> Manifest | None:
    for manifest in objects:
        labels = manifest["metadata"].get("labels", {})
        if (
            manifest["kind"] == "Pod"
            and labels.get(names.LABEL_COMPONENT) == "pull"
            and manifest.get("status", {}).get("phase") == "Running"
        ):
            return manifest
    return None
