"""One log line and a few metrics for each request: what was asked, by whom, how it went, what it used."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from insula.gateway import tails

# What nginx logs for a client that left before its answer was complete.
CLIENT_GONE_STATUS: Final = 499
# From a cached list of models (ms) to a long answer on a slow CPU (minutes).
_BUCKETS_S: Final = (0.005, 0.02, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600)


class Outcome(StrEnum):
    """How a request ended."""

    ANSWERED = "answered"  # Ollama's answer, or the gateway's in its place, went out whole
    REFUSED = "refused"  # the gateway said why not
    CLIENT_GONE = "client_gone"
    BROKEN_OFF = "broken_off"  # Ollama stopped in mid-answer


class Log(Protocol):
    """The part of a structlog logger that is used here."""

    def info(self, event: str, **fields: Any) -> Any:
        """Write one event."""
        ...


@dataclass
class Exchange:
    """One request and its answer, filled in as it goes on. Times are in seconds of `clock`."""

    request_id: str
    method: str
    clock: Callable[[], float]
    path: str = ""
    endpoint: str = "none"
    openai: bool = False
    tenant: str = ""
    tenant_id: str = ""
    status: int = 0
    outcome: Outcome = Outcome.ANSWERED
    reason: str = ""
    model_digest: str = ""
    handed_to: str = ""
    """The replica that answered it, "" when this one did: then that one counts it."""
    logged: bool = True
    """Whether it leaves a line in the log: a flood of what was logged before does not."""
    bytes_in: int = 0
    bytes_out: int = 0
    cache: str = ""
    """What the cache had to do with it: hit, miss, or bypass with the reason."""
    tail: tails.Tail = field(default_factory=tails.Tail)
    copy: tails.Copy | None = None
    """The whole answer, where somebody wants it."""
    begun: web.StreamResponse | None = None
    """The answer, where it had to begin before Ollama's: a stream that has said nothing yet."""
    woken: float | None = None
    """When the Ollama was awake, where it was waited for."""
    headers: dict[str, str] = field(default_factory=dict)
    """What every answer of the gateway's carries besides its own headers."""
    started: float = field(init=False)
    waited_s: float | None = None
    """How long it waited for its turn; None: it needed none, or left before."""
    first_byte: float | None = None
    finished: float | None = None
    _figures: tails.Figures | None = None

    def __post_init__(self) -> None:
        self.started = self.clock()

    def finish(self) -> None:
        """Note that the whole answer is on its way to the client: whoever leaves from now on has not left early."""
        self.finished = self.clock()

    def figures(self) -> tails.Figures:
        """Return what the end of the answer tells. The answer is over: it is read once."""
        if self._figures is None:
            self._figures = tails.figures(bytes(self.tail))
        return self._figures

    def took(self, chunk: bytes) -> None:
        """Count a chunk that came back from Ollama."""
        if self.first_byte is None:
            self.first_byte = self.clock()
        self.bytes_out += len(chunk)
        self.tail.feed(chunk)
        if self.copy is not None:
            self.copy.feed(chunk)


class Records:
    """Writes the record of finished exchanges.

    Args:
        log: Where the line goes.
        registry: Where the metrics are registered.
    """

    def __init__(self, log: Log, registry: CollectorRegistry) -> None:
        self._log = log
        self._requests = Counter(
            "insula_gateway_requests_total", "Requests finished.", ["endpoint", "status"], registry=registry
        )
        self._seconds = Histogram(
            "insula_gateway_request_seconds", "Whole answer.", ["endpoint"], registry=registry, buckets=_BUCKETS_S
        )
        self._first_byte = Histogram(
            "insula_gateway_first_byte_seconds", "First byte.", ["endpoint"], registry=registry, buckets=_BUCKETS_S
        )
        tokens = Counter("insula_gateway_tokens_total", "Tokens, by kind.", ["kind"], registry=registry)
        self._prompt_tokens, self._answer_tokens = tokens.labels("prompt"), tokens.labels("answer")
        self._compute = Counter(
            "insula_gateway_compute_seconds_total", "Evaluation time as told by Ollama.", registry=registry
        )
        self.in_flight = Gauge("insula_gateway_requests_in_flight", "Requests now being answered.", registry=registry)

    def write(self, exchange: Exchange) -> None:
        """Write one exchange: the metrics, and the line `request_done` unless it is part of a flood.

        Of one that another replica answers there is the line `request_handed_on` alone: that one counts it.
        """
        if exchange.handed_to:
            self._log.info("request_handed_on", request_id=exchange.request_id, to=exchange.handed_to)
            return
        used = exchange.figures()
        seconds = (exchange.clock() if exchange.finished is None else exchange.finished) - exchange.started
        first = None if exchange.first_byte is None else exchange.first_byte - exchange.started
        self._count(exchange, used, seconds, first)
        if not exchange.logged:
            return
        fields = {
            "tenant": exchange.tenant,
            "tenant_id": exchange.tenant_id,
            "method": exchange.method,
            "path": exchange.path,
            "status": exchange.status,
            "outcome": exchange.outcome.value,
            "reason": exchange.reason,
            "seconds": round(seconds, 4),
            "queue_seconds": None if exchange.waited_s is None else round(exchange.waited_s, 4),
            "first_byte_seconds": None if first is None else round(first, 4),
            "bytes_in": exchange.bytes_in,
            "bytes_out": exchange.bytes_out,
            "model_digest": exchange.model_digest,
            "cache": exchange.cache,
            "wake_seconds": None if exchange.woken is None else round(exchange.woken - exchange.started, 4),
            **vars(used),
        }
        present = {name: value for name, value in fields.items() if value not in (None, "")}
        self._log.info("request_done", request_id=exchange.request_id, **present)

    def _count(self, exchange: Exchange, used: tails.Figures, seconds: float, first: float | None) -> None:
        self._requests.labels(exchange.endpoint, str(exchange.status)).inc()
        self._seconds.labels(exchange.endpoint).observe(seconds)
        if first is not None:
            self._first_byte.labels(exchange.endpoint).observe(first)
        self._prompt_tokens.inc(used.prompt_eval_count or 0)
        self._answer_tokens.inc(used.eval_count or 0)
        self._compute.inc(used.compute_s)
