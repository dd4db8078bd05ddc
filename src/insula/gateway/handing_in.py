"""Hands the takings in to the ledger every few seconds, and once more at the end. While it is away, nothing waits."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog
from prometheus_client import CollectorRegistry, Gauge

from insula.domain.errors import UnavailableError
from insula.domain.usage import Flush
from insula.gateway.takings import Takings
from insula.ledger.client import Totals

# A gateway that dies loses what it counted since. Others' prompts count against a quota that much later.
EVERY_S: Final = 4.0

_log = structlog.get_logger(__name__)


class Ledger(Protocol):
    """Who takes sums."""

    async def hand_in(self, flush: Flush) -> Totals:
        """Take sums and return today's totals; UnavailableError where that is not confirmed."""
        ...


@dataclass
class HandingIn:
    """The way from this gateway to the ledger.

    Args:
        takings: What is handed in.
        ledger: Who takes it.
        registry: Where the metrics are registered.
        clock: Seconds that only grow.
        learn: Is told the secret of all gateways' own.
    """

    takings: Takings
    ledger: Ledger
    registry: CollectorRegistry
    clock: Callable[[], float]
    learn: Callable[[str], None] = lambda _secret: None
    _confirmed_at: float = field(init=False)
    _away: bool = False

    def __post_init__(self) -> None:
        self._confirmed_at = self.clock()
        behind = Gauge(
            "insula_gateway_ledger_behind_seconds", "Since the ledger last confirmed.", registry=self.registry
        )
        behind.set_function(lambda: self.clock() - self._confirmed_at)

    async def run(self) -> None:
        """Hand in until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(EVERY_S)

    async def once(self) -> bool:
        """Hand in what there is; say whether the ledger has confirmed it. Where it has not, it stays."""
        try:
            totals = await self.ledger.hand_in(self.takings.flush())
        except UnavailableError as error:
            if not self._away:
                _log.warning("ledger_away", error=str(error))
            self._away = True
            return False
        self.takings.confirm(totals.day, totals.gpu_ns)
        self.learn(totals.shared)
        if self._away:
            _log.info("ledger_back", after_s=round(self.clock() - self._confirmed_at, 1))
        self._confirmed_at, self._away = self.clock(), False
        return True

    async def last(self) -> None:
        """Hand in all there is: what is under way, then what came since."""
        for _ in range(2):
            if not await self.once():
                left = self.takings.unconfirmed
                _log.error("usage_lost", gpu_seconds=round(left.gpu_seconds, 3), requests=left.requests)
                return
