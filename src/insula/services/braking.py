"""The brake on homes that go: a few may lose their Tenants in a window of time; of more than that a person is asked.

Whoever deletes all Tenants by mistake, or the definition of Tenant with them, takes nobody's home down by that.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol

from insula.domain import names, times
from insula.domain.manifests import Manifest
from insula.domain.situation import Memory
from insula.domain.tenants import DeletionPolicy
from insula.reconcile import reading

# Counting looks at every home. When all Tenants go at once every home asks, and one count serves a thousand of them.
CENSUS_TTL_S: Final = 2.0


class Sight(Protocol):
    """What the brake counts."""

    def tenant(self, name: str) -> Manifest | None:
        """Return the Tenant, `None` where there is none."""

    def namespace(self, tenant: str) -> Manifest | None:
        """Return a tenant's Namespace, `None` where there is none."""

    def homes(self) -> Iterable[str]:
        """Return the tenants that have a Namespace, with or without a Tenant."""


class Brake:
    """Says which homes may go.

    What it counts stands on the Namespaces, so another leader counts the same. Only homes that were destroyed whole
    within the window are known to this process alone.

    Args:
        sight: Tenants and Namespaces.
        homes: How many may go unasked.
        window_s: In how many seconds.
        now: The time, with a zone.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        sight: Sight,
        homes: int,
        window_s: float,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sight = sight
        self._homes = homes
        self._window = timedelta(seconds=window_s)
        self._now = now
        self._clock = clock
        self._let_go: dict[str, float] = {}  # name → when this process let it go
        self._going: set[str] = set()
        self._waiting = 0
        self._counted_at = float("-inf")

    def hold(self, name: str) -> str:
        """Say in words why a home that lost its Tenant may not go now; empty: it may."""
        namespace = self._sight.namespace(name)
        if namespace is None or is_confirmed(namespace):
            return ""
        self._count()
        if name in self._going or not _wants_to_go(namespace):
            return ""
        waiting = max(self._waiting, 1)
        if len(self._going) + waiting > self._homes:
            minutes = self._window.total_seconds() / 60
            return (
                f"{len(self._going) + waiting} homes lost their Tenants, "
                f"and only {self._homes} go within {minutes:g} minutes unasked"
            )
        self._let_go[name] = self._clock()
        self._going.add(name)
        self._waiting = waiting - 1
        return ""

    def held(self) -> int:
        """Return how many homes the brake holds."""
        self._count()
        return self._waiting if len(self._going) + self._waiting > self._homes else 0

    def _count(self) -> None:
        at = self._clock()
        if at < self._counted_at + CENSUS_TTL_S:
            return
        self._counted_at = at
        window_s = self._window.total_seconds()
        self._let_go = {name: when for name, when in self._let_go.items() if at - when < window_s}
        self._going, self._waiting = set(self._let_go), 0
        for name in self._sight.homes():
            namespace, tenant = self._sight.namespace(name), self._sight.tenant(name)
            if namespace is None or (tenant is not None and is_home_of(namespace, tenant)) or is_confirmed(namespace):
                continue
            if self._went_lately(namespace):
                self._going.add(name)
            elif name not in self._going and _wants_to_go(namespace):
                self._waiting += 1

    def _went_lately(self, namespace: Manifest) -> bool:
        since = reading.annotations(namespace).get(names.ANNOTATION_RETAINED_SINCE, "")
        deleted = str(namespace["metadata"].get("deletionTimestamp", ""))
        moments = [moment for text in (since, deleted) if (moment := times.moment(text)) is not None]
        return any(self._now() - moment < self._window for moment in moments)


def is_home_of(namespace: Manifest | None, tenant: Manifest) -> bool:
    """Say whether a Namespace belongs to this very Tenant, not to an earlier one of its name, or is adopted by it."""
    metadata = (namespace or {}).get("metadata", {})
    owner = metadata.get("annotations", {}).get(names.ANNOTATION_TENANT_UID, "")
    identity = metadata.get("labels", {}).get(names.LABEL_TENANT_ID, "")
    return owner in ("", tenant["metadata"]["uid"]) or tenant.get("spec", {}).get("adopt") == identity


def is_confirmed(namespace: Manifest) -> bool:
    """Say whether a person confirmed that the home goes with the Tenant that it belonged to last."""
    written: Mapping[str, str] = reading.annotations(namespace)
    confirmed = written.get(names.ANNOTATION_DEPARTURE_CONFIRMED, "")
    return bool(confirmed) and confirmed == written.get(names.ANNOTATION_TENANT_UID)


def _wants_to_go(namespace: Manifest) -> bool:
    """Say whether a home without its Tenant has still something to lose: what runs, or its data."""
    if reading.is_leaving(namespace):
        return False
    memory = Memory.from_annotations(reading.annotations(namespace))
    return not memory.retained_since or memory.deletion_policy is DeletionPolicy.DELETE
