"""What the ledger answers: gateways hand in sums and are told the day's totals; people ask what was used.

Its port is open to Insula's own pods and to the API server, never to homes.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final, Protocol

import orjson
import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter

from insula.bookkeeper.batches import Batches
from insula.contract import bookings
from insula.domain.errors import (
    ConflictError,
    InsulaError,
    InvalidSpecError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from insula.domain.usage import Account, Amount, Flush, document

MAX_BODY_BYTES: Final = 32 * 1024 * 1024
USUAL_DAYS: Final = 7

_STATUSES: Final[Mapping[type[InsulaError], int]] = {
    NotFoundError: 404,
    InvalidSpecError: 400,
    ConflictError: 409,
    RefusedError: 429,
    UnavailableError: 503,
}

_log = structlog.get_logger(__name__)


class Book(Protocol):
    """What is asked of the book; `ledger.usage.UsageBook` is it."""

    async def book(self, flush: Flush, *, today: date) -> bool:
        """Add a flush to the sums once; say whether it was new."""
        ...

    async def day_totals(self, day: date) -> Mapping[str, int]:
        """Return each home's nanoseconds on a day."""
        ...

    async def read(self, *, since: date, tenant: str = "") -> list[tuple[Account, Amount]]:
        """Return what was used from a day on."""
        ...


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Bookkeeper:
    """Answers requests about the book.

    `shared` is told to whoever hands in, so to all gateways: by it they know each other.
    """

    book: Book
    batches: Batches
    registry: CollectorRegistry
    now: Callable[[], datetime] = _now
    shared: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    _flushes: Counter = field(init=False)

    def __post_init__(self) -> None:
        self._flushes = Counter(
            "insula_ledger_flushes_total", "Flushes handed in, by what became of them.", ["result"],
            registry=self.registry,
        )  # fmt: skip

    def application(self) -> web.Application:
        """Return the aiohttp application."""
        served = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_translate])
        served.router.add_post("/flush", self.take)
        served.router.add_get("/totals", self.tell_totals)
        served.router.add_get("/usage", self.tell_usage)
        self.batches.add_to(served.router)
        return served

    async def take(self, request: web.Request) -> web.Response:
        """Book a flush, once, and tell the day's totals, in which it is."""
        try:
            flush = bookings.flush_from_json(await request.read())
            is_new = not flush.sums or await self.book.book(flush, today=self._today())
        except InvalidSpecError:
            self._flushes.labels("refused").inc()
            raise
        except UnavailableError:
            self._flushes.labels("unavailable").inc()
            raise
        self._flushes.labels("booked" if is_new else "again").inc()
        return _json(await self._totals() | {"shared": self.shared})

    async def tell_totals(self, _request: web.Request) -> web.Response:
        """Tell how much each home has computed today."""
        return _json(await self._totals())

    async def tell_usage(self, request: web.Request) -> web.Response:
        """Tell what was used, of one home or all, since a day: `?since=2026-11-01&tenant=alice`."""
        usual = (self._today() - timedelta(days=USUAL_DAYS - 1)).isoformat()
        since = _day(request.query.get("since", usual))
        found = await self.book.read(since=since, tenant=request.query.get("tenant", ""))
        return _json({"entries": [document(account, amount) for account, amount in found]})

    async def _totals(self) -> dict[str, Any]:
        today = self._today()
        return {"day": today.isoformat(), "gpuNs": dict(await self.book.day_totals(today))}

    def _today(self) -> date:
        return self.now().astimezone(UTC).date()


@web.middleware
async def _translate(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Say of our own errors what they mean to whoever asked."""
    try:
        return await handler(request)
    except InsulaError as error:
        status = next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), 500)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.warning("request_failed", path=request.path, error=str(error))
        return _json({"error": str(error)}, status=status)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidSpecError("a day is written as 2026-11-01") from error


def _json(value: Mapping[str, Any], *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")
