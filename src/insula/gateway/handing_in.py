"""Hands the takings in to the ledger every few seconds, and once more at the end. While it is away, nothing waits."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import orjson
import structlog
from prometheus_client import CollectorRegistry, Gauge

from insula.domain.errors import UnavailableError, cap
from insula.gateway.takings import Takings

# A gateway that dies loses what it counted since. Others' prompts count against a quota that much later.
EVERY_S: Final = 4.0
TIMEOUT_S: Final = 8.0  # longer than the ledger waits for its database

_log = structlog.get_logger(__name__)


@dataclass
class HandingIn:
    """The way from this gateway to the ledger.

    Args:
        takings: What is handed in.
        session: The process's HTTP client.
        url: The ledger's address.
        registry: Where the metrics are registered.
        clock: Seconds that only grow.
    """

    takings: Takings
    session: aiohttp.ClientSession
    url: str
    registry: CollectorRegistry
    clock: Callable[[], float]
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
            day, totals = await self._send(self.takings.flush().to_document())
        except UnavailableError as error:
            if not self._away:
                _log.warning("ledger_away", error=str(error))
            self._away = True
            return False
        self.takings.confirm(day, totals)
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

    async def _send(self, document: dict[str, Any]) -> tuple[date, dict[str, int]]:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with self.session.post(f"{self.url}/flush", data=orjson.dumps(document), timeout=timeout) as answer:
                body = await answer.read()
                if answer.status != HTTPStatus.OK:
                    text = cap(body.decode(errors="replace"))
                    raise UnavailableError(f"the ledger answered {answer.status}: {text}")
                told = orjson.loads(body)
                return date.fromisoformat(told["day"]), told["gpuNs"]
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
            raise UnavailableError(f"the ledger does not answer: {cap(f'{type(error).__name__}: {error}')}") from error
