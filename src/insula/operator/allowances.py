"""Hears from the ledger what homes have used today, and has those looked at whose standing has changed."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Protocol

import structlog

from insula.domain import names
from insula.domain.errors import UnavailableError
from insula.domain.inference import Inference
from insula.domain.manifests import Manifest
from insula.domain.quotas import Level, level
from insula.domain.usage import NS_PER_S
from insula.ledger.client import Totals
from insula.reconcile import reading

# The condition tells people; the gateway holds the limit, and knows within seconds.
EVERY_S: Final = 15.0

_log = structlog.get_logger(__name__)


class Ledger(Protocol):
    """What tells the totals."""

    async def totals(self) -> Totals:
        """Return today's totals; UnavailableError where it does not answer."""
        ...


class Homes(Protocol):
    """What knows the homes and their Namespaces."""

    def homes(self) -> Iterable[str]:
        """Return the tenants that have a Namespace."""
        ...

    def namespace(self, tenant: str) -> Manifest | None:
        """Return a tenant's Namespace."""
        ...


@dataclass
class Allowances:
    """What homes have used today, as far as is known.

    Args:
        homes: The homes.
        wake: Is called with a home whose standing has changed.
    """

    homes: Homes
    wake: Callable[[str], None]
    _totals: Totals = field(default_factory=lambda: Totals(date.min, {}))
    _levels: dict[str, Level] = field(default_factory=dict)  # of homes that are not within, by name
    _away: bool = False

    def used_s(self, tenant_id: str) -> float:
        """Return for how many seconds models have computed for a home today."""
        return self._totals.gpu_ns.get(tenant_id, 0) / NS_PER_S

    async def follow(self, ledger: Ledger) -> None:
        """Ask the ledger again and again until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.once(ledger)

    async def once(self, ledger: Ledger) -> None:
        """Ask the ledger; while it is away, what is known stands."""
        try:
            totals = await ledger.totals()
        except UnavailableError as error:
            if not self._away:
                _log.warning("ledger_away", error=str(error))
            self._away = True
            return
        self._away, self._totals = False, totals
        before, self._levels = self._levels, self._standing()
        for name in before.keys() | self._levels.keys():
            if before.get(name) != self._levels.get(name):
                self.wake(name)

    def _standing(self) -> dict[str, Level]:
        found: dict[str, Level] = {}
        for name in self.homes.homes():
            namespace = self.homes.namespace(name)
            used_s = self.used_s(reading.tenant_id(namespace))
            plan = reading.annotations(namespace).get(names.ANNOTATION_INFERENCE, "") if namespace else ""
            if used_s and plan:
                how = level(used_s, Inference.from_text(plan).gpu_seconds_per_day)
                if how in (Level.NEAR, Level.USED_UP):
                    found[name] = how
        return found
