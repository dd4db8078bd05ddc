"""Carries a decision out, in its order; what fails for one object does not keep the others from being made."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, Protocol

from insula.domain import activity, names
from insula.domain.errors import ConflictError, InsulaError, RefusedError
from insula.domain.manifests import Manifest, ObjectRef, reference
from insula.kube import events
from insula.kube.leases import LeaseLostError
from insula.reconcile.model import Decision, EventWish, Observed, SecretWish
from insula.services import braking, making_secrets
from insula.services.making_secrets import TenantKey
from insula.services.ports import Hands, Inquiry

PATIENCE_S: Final = (0.05, 0.1, 0.2, 0.4, 0.8)


class Grip(Hands, Inquiry, Protocol):
    """What an actor needs: to change things, and to make sure before it destroys."""


class Actor:
    """Changes the cluster as decided.

    Args:
        grip: The cluster.
        tenant_key: Makes the gateway's key of a tenant-id and a generation.
        made_secret: Is told of each Secret made, with the tenant's name.
        lost_secret: Is told of a tenant whose Secrets are not what was seen.
        patience_s: The waits in seconds before a refused Secret is tried again.
    """

    def __init__(
        self,
        grip: Grip,
        tenant_key: TenantKey,
        *,
        made_secret: Callable[[str, Manifest], None] = lambda _name, _manifest: None,
        lost_secret: Callable[[str], None] = lambda _name: None,
        patience_s: tuple[float, ...] = PATIENCE_S,
    ) -> None:
        self._grip = grip
        self._tenant_key = tenant_key
        self._made_secret = made_secret
        self._lost_secret = lost_secret
        self._patience_s = patience_s

    async def carry_out(self, name: str, observed: Observed, decision: Decision, *, at: datetime) -> None:
        """Do everything that was decided for a tenant.

        Ground and Secrets stand whole before anything is built on them. Within each part one failure keeps nothing
        else from being made, and the status is written all the same, for it tells what was seen. A home that was
        begun and all of it made is looked at again at once: what it has come to is told then.

        Raises:
            InsulaError: The first failure, after all the rest was done.
        """
        failures = await self._prepare(name, decision)
        if not failures:
            failures = await self._build(name, observed, decision)
        if observed.namespace is None and decision.ground and not failures:
            return
        untold: list[InsulaError] = []
        if decision.status is not None and observed.tenant is not None:
            untold = await _caught(self._grip.apply_status(_status(observed.tenant, decision.status)))
        # A transition that is not written down is decided anew at the next look, and told then.
        for event in () if untold else decision.events:
            await self.tell(observed, event, at=at)
        if failures := failures + untold:
            raise failures[0]

    async def tell(self, observed: Observed, event: EventWish, *, at: datetime) -> None:
        """Record an Event about the Tenant or, where it is gone, about its Namespace."""
        regarding = observed.tenant or observed.namespace
        if regarding is not None:
            about = {"apiVersion": "v1", "kind": "Namespace"} if observed.tenant is None else {}
            manifest = events.event(
                {**about, **regarding},
                type_=event.type,
                reason=event.reason,
                action="Reconcile",
                note=event.message,
                at=at,
                instance=events.CONTROLLER,
            )
            await self._grip.record(manifest)

    async def _prepare(self, name: str, decision: Decision) -> list[InsulaError]:
        """Lay the ground and make the Secrets; where the Namespace fails, nothing else is worth a try."""
        failures: list[InsulaError] = []
        for manifest in decision.ground:
            failures += await _caught(self._grip.apply(manifest))
            if failures and manifest["kind"] == "Namespace":
                return failures
        for wish in decision.create_secrets:
            failures += await _caught(self._make_secret(name, wish))
        return failures

    async def _build(self, name: str, observed: Observed, decision: Decision) -> list[InsulaError]:
        failures: list[InsulaError] = []
        for manifest in decision.apply:
            failures += await _caught(self._grip.apply(manifest))
        for ref in decision.delete:
            failures += await _caught(self._delete(name, ref, observed))
        if decision.activity is not None and not failures:
            lease = ObjectRef(activity.API_VERSION, activity.KIND, names.namespace(name), names.ACTIVITY)
            failures += await _caught(self._grip.patch(lease, decision.activity))
        return failures

    async def _make_secret(self, name: str, wish: SecretWish) -> None:
        manifest = making_secrets.secret(wish, self._tenant_key)
        try:
            made = await self._put_secret(manifest, replace=wish.replace)
        except ConflictError:
            # It was there all the time, and what is there is never overwritten.
            self._lost_secret(name)
            found = await self._grip.find(reference(manifest))
            if found is None:
                raise
            made = found
        self._made_secret(name, made)

    async def _put_secret(self, manifest: Manifest, *, replace: bool) -> Manifest:
        for wait_s in self._patience_s:
            try:
                return await (self._grip.apply(manifest) if replace else self._grip.create(manifest))
            except RefusedError:
                # The API server needs a moment to honour the RoleBinding that was made just before.
                await asyncio.sleep(wait_s)
        return await (self._grip.apply(manifest) if replace else self._grip.create(manifest))

    async def _delete(self, name: str, ref: ObjectRef, observed: Observed) -> None:
        if ref.kind == "Namespace":
            tenant = await self._grip.find(ObjectRef(names.API_VERSION, "Tenant", "", name))
            if tenant is not None and braking.is_home_of(observed.namespace, tenant):
                raise ConflictError(f"the Tenant {name} is there after all: its data are not deleted")
        await self._grip.delete(ref)


def _status(tenant: Manifest, status: Manifest) -> Manifest:
    # The UID makes sure that a Tenant made again under the name does not get the status of the old one.
    return {
        "apiVersion": names.API_VERSION,
        "kind": "Tenant",
        "metadata": {"name": tenant["metadata"]["name"], "uid": tenant["metadata"]["uid"]},
        "status": status,
    }


async def _caught(doing: Awaitable[object]) -> list[InsulaError]:
    """Await something; return what went wrong, if anything did. A lost Lease is not caught: everything stops."""
    try:
        await doing
    except LeaseLostError:
        raise
    except InsulaError as error:
        return [error]
    return []
