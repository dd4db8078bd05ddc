"""When a request may go to its tenant's Ollama: in its turn among the homes that share the processor."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from insula.domain.usage import NS_PER_S
from insula.gateway.errors import BusyError, NotReadyError, TooManyError
from insula.gateway.fairness import Ticket, Turns
from insula.gateway.metering import cost
from insula.gateway.prompts import Prompt
from insula.gateway.records import Exchange, Outcome
from insula.gateway.tenants import Directory, TenantRoute

# Ollama's pod becomes ready within seconds once its image is on the node.
RETRY_AFTER_S: Final = 5
POSITION_HEADER: Final = "X-Insula-Queue-Position"
EXPECTED_HEADER: Final = "X-Insula-Queue-Expected-Seconds"
WAIT_HEADER: Final = "X-Insula-Queue-Seconds"
# A person leaves long before so many are ahead; what is refused here would only have waited to be given up.
WAITING_IN_GROUP: Final = 1024
WAITING_OF_TENANT: Final = 32
GROUPS_KEPT: Final = 16384
LONGEST_RETRY_S: Final = 120
_WAITS_S: Final = (0.001, 0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600)


class Admission(Protocol):
    """Decides when a request goes on, and holds its place until the answer is complete."""

    def admit(self, route: TenantRoute, prompt: Prompt, exchange: Exchange) -> AbstractAsyncContextManager[str]:
        """Wait for the request's turn and give the backend's "address:port" for as long as the answer takes.

        Raises:
            NotReadyError: It cannot be this request's turn in reasonable time.
            BusyError: Too many wait already.
            TooManyError: Too many of this home wait already.
        """
        ...


class PassThrough:
    """Lets every request go on at once, if the tenant's Ollama is ready."""

    @asynccontextmanager
    async def admit(self, route: TenantRoute, prompt: Prompt, exchange: Exchange) -> AsyncIterator[str]:
        """Give the backend's address.

        Raises:
            NotReadyError: No Ollama of this tenant is ready.
        """
        yield backend_of(route)


@dataclass
class _Group:
    """The homes that share a processor: whose turn it is, and who is told of it."""

    turns: Turns
    told: dict[Ticket, asyncio.Future[None]] = field(default_factory=dict)


class FairAdmission:
    """Gives turns in each contention group; bounded in every way.

    Args:
        slots: How many prompts the homes of one node have computed at a time.
        directory: Knows where an Ollama is by the time that it is its turn.
        registry: Where the metrics are registered.
        clock: Seconds that never go back.
    """

    def __init__(
        self, slots: int, directory: Directory, registry: CollectorRegistry, clock: Callable[[], float]
    ) -> None:
        self._slots = slots
        self._directory = directory
        self._clock = clock
        self._groups: dict[str, _Group] = {}
        self._waiting = Gauge("insula_gateway_queue_waiting", "Waiting for a turn.", ["priority"], registry=registry)
        self._running = Gauge("insula_gateway_queue_running", "Having a turn.", ["priority"], registry=registry)
        expected = Gauge("insula_gateway_queue_expected_seconds", "Expected of the longest queue.", registry=registry)
        expected.set_function(lambda: max((_through_s(group) for group in self._groups.values()), default=0.0))
        self._waits = Histogram(
            "insula_gateway_queue_wait_seconds", "Waiting.", ["priority"], registry=registry, buckets=_WAITS_S
        )
        self._refused = Counter("insula_gateway_queue_refused_total", "Refused: full.", ["bound"], registry=registry)

    @asynccontextmanager
    async def admit(self, route: TenantRoute, prompt: Prompt, exchange: Exchange) -> AsyncIterator[str]:
        """Wait for the turn, and hold it. A client that goes frees its place at once.

        Raises:
            NotReadyError: No Ollama of this tenant is ready.
            BusyError: Too many wait already.
            TooManyError: Too many of this home wait already.
        """
        backend_of(route)  # who cannot be served does not queue
        group = self._group(route)
        ticket = self._ticket(route, prompt)
        await self._turn(group, ticket, exchange)
        begun = exchange.clock()
        try:
            # Not where it was when the prompt came: that address may be another home's by now.
            now = self._directory.find(route.tenant_id)
            yield backend_of(now if now is not None else replace(route, backend=None))
        finally:
            self._running.labels(ticket.priority.value).dec()
            group.turns.finish(ticket, _spent_s(prompt, exchange, begun))
            self._give_turns(group)

    def _group(self, route: TenantRoute) -> _Group:
        name, slots = route.group, route.inference.parallel if route.inference.alone else self._slots
        group = self._groups.get(name)
        if group is None or (group.turns.is_idle and group.turns.slots != slots):
            group = self._groups[name] = _Group(Turns(slots))
        if len(self._groups) > GROUPS_KEPT:
            idle = (each for each, other in self._groups.items() if other.turns.is_idle and other is not group)
            self._groups.pop(next(idle, ""), None)
        return group

    async def _turn(self, group: _Group, ticket: Ticket, exchange: Exchange) -> None:
        """Return when it is the ticket's turn."""
        self._refuse_if_full(group, ticket)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        group.turns.enter(ticket)
        group.told[ticket] = turn
        self._waiting.labels(ticket.priority.value).inc()
        self._give_turns(group)
        if not turn.done():
            ahead = group.turns.ahead_of(ticket, self._clock())
            exchange.headers[POSITION_HEADER] = str(len(ahead) + 1)
            exchange.headers[EXPECTED_HEADER] = f"{group.turns.expected_s(ticket, ahead):.1f}"
        try:
            await turn
        except asyncio.CancelledError:
            if ticket in group.told:
                del group.told[ticket]
                self._waiting.labels(ticket.priority.value).dec()
                group.turns.leave(ticket)
            else:  # its turn came in the moment when its client went
                self._running.labels(ticket.priority.value).dec()
                group.turns.finish(ticket, 0.0)
            self._give_turns(group)
            raise
        exchange.waited_s = waited_s = self._clock() - ticket.arrived
        self._waits.labels(ticket.priority.value).observe(waited_s)
        if POSITION_HEADER in exchange.headers:
            exchange.headers[WAIT_HEADER] = f"{waited_s:.1f}"

    def _give_turns(self, group: _Group) -> None:
        while (ticket := group.turns.next(self._clock())) is not None:
            self._waiting.labels(ticket.priority.value).dec()
            self._running.labels(ticket.priority.value).inc()
            turn = group.told.pop(ticket)
            if not turn.done():  # else its client has just gone, and gives the turn back
                turn.set_result(None)

    def _ticket(self, route: TenantRoute, prompt: Prompt) -> Ticket:
        return Ticket(
            tenant=route.tenant_id,
            priority=prompt.class_under(route.inference.priority),
            parallel=route.inference.parallel,
            model=prompt.model[:256],
            continues=prompt.continues,
            arrived=self._clock(),
        )

    def _refuse_if_full(self, group: _Group, ticket: Ticket) -> None:
        if group.turns.waiting_of(ticket.tenant) >= WAITING_OF_TENANT:
            self._refused.labels("tenant").inc()
            own = [each for each in group.told if each.tenant == ticket.tenant]
            expected_s = group.turns.expected_s(ticket, own)
            raise TooManyError(
                f"{WAITING_OF_TENANT} prompts of this home wait already", retry_after_s=_retry_s(expected_s)
            )
        if group.turns.waiting >= WAITING_IN_GROUP:
            self._refused.labels("group").inc()
            raise BusyError("server busy, please try again: too many wait", retry_after_s=_retry_s(_through_s(group)))


def _through_s(group: _Group) -> float:
    """Return how long a group is expected to compute until nobody waits."""
    last = next(reversed(group.told), None)
    return group.turns.expected_s(last, group.told) if last is not None else 0.0


def _retry_s(expected_s: float) -> int:
    return max(1, min(LONGEST_RETRY_S, math.ceil(expected_s)))


def backend_of(route: TenantRoute) -> str:
    """Return the backend of a route.

    Raises:
        NotReadyError: No Ollama of this tenant is ready.
    """
    if route.backend is None:
        raise NotReadyError(
            f"the Ollama of {route.name} is not ready: it is starting, stopped, or waiting for a node",
            retry_after_s=RETRY_AFTER_S,
            tenant=route.name,
        )
    return route.backend


def _spent_s(prompt: Prompt, exchange: Exchange, begun: float) -> float:
    """Return how long the model computed: as Ollama tells it, or, when it told nothing, while the turn was held."""
    if exchange.finished is None or exchange.outcome is not Outcome.ANSWERED:
        return exchange.clock() - begun
    return cost(exchange, exchange.figures(), openai=prompt.endpoint.openai, begun=begun).gpu_ns / NS_PER_S
