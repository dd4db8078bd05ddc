"""How a gateway says on a home's Lease that somebody asks."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import structlog

from insula.domain import names
from insula.domain.activity import API_VERSION, KIND, Activity, SleepState, quiet_s
from insula.domain.errors import ConflictError, InsulaError, NotFoundError, UnavailableError
from insula.domain.manifests import Manifest, ObjectRef
from insula.gateway.activities import Activities
from insula.gateway.flights import Flights
from insula.gateway.tenants import TenantRoute

# A write takes some 10 ms. Longer than this nobody waits for one whose Ollama is awake.
PATIENCE_S: Final = 2.0
# After a write that failed, awake homes are served for so long before the next one is tried.
AWAY_S: Final = 5.0
ATTEMPTS: Final = 5

_log = structlog.get_logger(__name__)


class Leases(Protocol):
    """The part of `insula.kube.client.Client` that is used here."""

    async def get(self, ref: ObjectRef) -> Manifest:
        """Return an object."""
        ...

    async def merge_patch(self, ref: ObjectRef, patch: Any) -> Manifest:
        """Merge a patch into an object; `ConflictError` where it is not the version that the patch names."""
        ...


class Claims:
    """Writes Leases, one write a home at a time.

    Args:
        leases: The API server.
        activities: Knows what the Leases say, and is told what was written.
        now: The time, with a zone.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        leases: Leases,
        activities: Activities,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leases = leases
        self._activities = activities
        self._now = now
        self._clock = clock
        self._writes: Flights[str, Activity] = Flights()
        self._away_until = 0.0

    async def close(self) -> None:
        """Write no more."""
        await self._writes.close()

    async def ask(self, route: TenantRoute) -> Activity:
        """Say that somebody asks; return what the Lease says then.

        Raises:
            InsulaError: It could not be written.
        """
        return await self._writes.join(route.namespace, lambda: self._ask(route))

    async def renew(self, route: TenantRoute) -> bool | None:
        """Say that an awake Ollama is needed; return whether it still is awake. None: nobody can say.

        While the API server is away the operator puts nobody to sleep either.
        """
        if self._clock() < self._away_until:
            return None
        try:
            async with asyncio.timeout(PATIENCE_S):
                return (await self.ask(route)).is_awake
        except (InsulaError, TimeoutError) as error:
            self._away_until = self._clock() + AWAY_S
            _log.warning("activity_not_written", tenant=route.name, error=str(error) or "no answer in time")
            return None

    async def _ask(self, route: TenantRoute) -> Activity:
        ref = ObjectRef(API_VERSION, KIND, route.namespace, names.ACTIVITY)
        for _ in range(ATTEMPTS):
            known = self._activities.of(route.namespace)
            if known is None:
                raise NotFoundError(f"{route.name} has no Lease {names.ACTIVITY}")
            if self._says_enough(known, route):
                return known
            try:
                self._activities.put(await self._leases.merge_patch(ref, known.asked(self._now())))
            except ConflictError:  # somebody else wrote it: look again
                self._activities.put(await self._leases.get(ref))
        raise UnavailableError(f"the Lease {names.ACTIVITY} of {route.name} changes too often")

    def _says_enough(self, found: Activity, route: TenantRoute) -> bool:
        """Say whether this replica or another one has said so a moment ago."""
        is_recent = found.idle_s(self._now()) < quiet_s(route.inference.sleep_after_s or 0)
        return is_recent and found.state is not SleepState.ASLEEP
