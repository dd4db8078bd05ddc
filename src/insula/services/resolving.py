"""What each Tenant asks for and which hosts it claims, worked out once per change instead of once per look."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from insula.contract import resolve
from insula.domain.errors import InvalidSpecError
from insula.domain.manifests import Manifest
from insula.domain.platform import Platform
from insula.domain.tenants import Tenant


@dataclass(frozen=True)
class Resolution:
    """A Tenant resolved with its Plan: `desired`, or the `rejection`; and what was `latched` when last accepted.

    Where the plan has changed since then and it matters, `waiting` is the present spec with the plan as it was, and
    `waiting_spec` what to latch meanwhile. `own_change` says whether the Tenant itself has changed.
    """

    desired: Tenant | None = None
    rejection: InvalidSpecError | None = None
    accepted_spec: str = ""
    latched: Tenant | None = None
    waiting: Tenant | None = None
    waiting_spec: str = ""
    own_change: bool = True

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts that it claims: the one asked for, if it may ask, and the one that it runs under."""
        return frozenset(tenant.host for tenant in (self.desired, self.latched) if tenant is not None)


def resolve_home(
    name: str, manifest: Manifest | None, plan: Manifest | None, accepted_spec: str, platform: Platform
) -> Resolution:
    """Resolve a Tenant.

    Args:
        name: Its name.
        manifest: The Tenant object; `None` when it is gone.
        plan: The Plan object that it names; `None` when there is none.
        accepted_spec: What the Namespace remembers of the last accepted spec; empty: nothing.
        platform: The provider's settings.
    """
    latched = _latched(name, accepted_spec, platform)
    if manifest is None:
        return Resolution(latched=latched)
    try:
        desired = resolve.resolve_tenant(manifest, resolve.resolve_plan(plan) if plan else None, platform)
    except InvalidSpecError as error:
        return Resolution(rejection=error, latched=latched, own_change=False)
    present = _to_latch(manifest, plan or {})
    waiting, waiting_spec = _with_the_plan_as_it_was(manifest, accepted_spec, platform)
    if waiting == desired:
        waiting, waiting_spec = None, ""
    own_change = _part(accepted_spec, "tenant") != _part(present, "tenant")
    return Resolution(desired, None, present, latched, waiting, waiting_spec, own_change)


def _with_the_plan_as_it_was(manifest: Manifest, accepted_spec: str, platform: Platform) -> tuple[Tenant | None, str]:
    """Return the present spec resolved with the latched plan, and what to latch; nothing where that makes no sense."""
    plan = _part(accepted_spec, "plan")
    if not plan or plan.get("name") != manifest.get("spec", {}).get("plan"):
        return None, ""
    plan = {"metadata": {"name": plan["name"]}, "spec": plan.get("spec", {})}
    try:
        tenant = resolve.resolve_tenant(manifest, resolve.resolve_plan(plan), platform)
    except InvalidSpecError:
        return None, ""  # more is asked for than the old plan gave: the new one is needed now
    return tenant, _to_latch(manifest, plan)


def _part(accepted_spec: str, name: str) -> dict[str, Any]:
    try:
        part = json.loads(accepted_spec)[name]
    except (ValueError, KeyError, TypeError):
        return {}
    return part if isinstance(part, dict) else {}


def _to_latch(manifest: Manifest, plan: Manifest) -> str:
    # As written, not as resolved: a later version of Insula reads it with its own eyes.
    # But for the pace, which is no home's affair.
    terms = {key: value for key, value in plan.get("spec", {}).items() if key != "rollout"}
    kept = {"tenant": manifest.get("spec", {}), "plan": {"name": plan["metadata"]["name"], "spec": terms}}
    return json.dumps(kept, sort_keys=True, separators=(",", ":"))


def _latched(name: str, accepted_spec: str, platform: Platform) -> Tenant | None:
    """Return the tenant that was accepted last; `None` where nothing was, or it can no longer be read."""
    if not accepted_spec:
        return None
    try:
        kept = json.loads(accepted_spec)
        plan = resolve.resolve_plan({"metadata": {"name": kept["plan"]["name"]}, "spec": kept["plan"]["spec"]})
        return resolve.resolve_tenant({"metadata": {"name": name}, "spec": kept["tenant"]}, plan, platform)
    except (InvalidSpecError, ValueError, KeyError, TypeError):
        return None


Seniority: TypeAlias = tuple[str, str, str]  # creation time, UID, name: the smallest is the oldest


class HostClaims:
    """Which tenant holds which host: the oldest claimant does."""

    def __init__(self) -> None:
        self._claimants: dict[str, set[Seniority]] = {}
        self._claims: dict[str, tuple[Seniority, frozenset[str]]] = {}

    def update(self, name: str, manifest: Manifest | None, hosts: frozenset[str]) -> set[str]:
        """Take what a tenant claims now (nothing when it is gone); return the other tenants whom that concerns."""
        before = self._claims.get(name)
        metadata = manifest["metadata"] if manifest else {}
        now = (metadata.get("creationTimestamp", ""), metadata.get("uid", ""), name), hosts if manifest else frozenset()
        if before == now:
            return set()
        concerned: set[str] = set()
        if before is not None:
            for host in before[1]:
                self._claimants[host].discard(before[0])
        for host in now[1]:
            self._claimants.setdefault(host, set()).add(now[0])
        for host in now[1] | (before[1] if before else frozenset()):
            concerned |= {claimant[2] for claimant in self._claimants[host]}
            if not self._claimants[host]:
                del self._claimants[host]
        if now[1]:
            self._claims[name] = now
        else:
            self._claims.pop(name, None)
        return concerned - {name}

    def holder(self, host: str) -> str | None:
        """Return the tenant that holds a host, `None` where nobody claims it."""
        claimants = self._claimants.get(host)
        return min(claimants)[2] if claimants else None

    def of(self, hosts: frozenset[str]) -> Mapping[str, str]:
        """Return who holds each of these hosts."""
        held = {host: self.holder(host) for host in hosts}
        return {host: name for host, name in held.items() if name is not None}
