"""Prompts for homes whose Ollama may sleep: it is woken, and kept awake while it answers."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Protocol

from aiohttp import web

from insula.domain.activity import quiet_s
from insula.gateway import heartbeats
from insula.gateway.activities import Activities
from insula.gateway.admission import WAITING_OF_TENANT
from insula.gateway.claims import Claims
from insula.gateway.errors import AsleepError, NotReadyError, TooManyError, UpstreamError
from insula.gateway.flights import Flights
from insula.gateway.prompts import Prompt
from insula.gateway.records import Exchange
from insula.gateway.rousing import LOADABLE, RETRY_AFTER_S, Rouser, sentence
from insula.gateway.tenants import Directory, TenantRoute

WAKE_HEADER: Final = "X-Insula-Wake-Seconds"

Compute = Callable[[TenantRoute], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Patience:
    """How long is waited, in seconds.

    Attributes:
        hold_s: For this long an answer's head is held back: a refusal can still be one.
        beat_s: So often, afterwards, a stream shows a sign of life.
        verdict_s: So long after a break the watches may take to tell that the Ollama was stopped.
        retry_s: So long after a failed renewal the next one is tried.
    """

    hold_s: float = 10.0
    beat_s: float = 5.0
    verdict_s: float = 1.0
    retry_s: float = 1.0


class Waking(Protocol):
    """Has prompts answered by Ollamas that are awake."""

    async def answer(
        self, request: web.BaseRequest, exchange: Exchange, route: TenantRoute, prompt: Prompt, compute: Compute
    ) -> web.StreamResponse:
        """Answer a prompt by `compute`, which is given the route to an Ollama that is awake."""
        ...


class AlwaysAwake:
    """For homes that never sleep."""

    async def answer(
        self, request: web.BaseRequest, exchange: Exchange, route: TenantRoute, prompt: Prompt, compute: Compute
    ) -> web.StreamResponse:
        """Have it computed."""
        return await compute(route)


class Waker:
    """Wakes the homes whose plan lets them sleep, and keeps them awake while they answer.

    Args:
        directory: Knows where each home's Ollama is.
        activities: Knows what the Leases say.
        claims: Writes them.
        rouser: Wakes.
        patience: See `Patience`.
        clock: Seconds that never go back.
        now: The time, with a zone.
    """

    def __init__(
        self,
        directory: Directory,
        activities: Activities,
        claims: Claims,
        rouser: Rouser,
        *,
        patience: Patience = Patience(),
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._directory = directory
        self._activities = activities
        self._claims = claims
        self._rouser = rouser
        self._patience = patience
        self._clock = clock
        self._now = now
        self._wakes: Flights[str, None] = Flights()
        self._waiting: Counter[str] = Counter()
        self._users: Counter[str] = Counter()
        self._keepers: dict[str, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """Wake nobody any more."""
        await self._wakes.close()

    async def answer(
        self, request: web.BaseRequest, exchange: Exchange, route: TenantRoute, prompt: Prompt, compute: Compute
    ) -> web.StreamResponse:
        """Answer a prompt by `compute`; once more if the Ollama was stopped before its first byte.

        Raises:
            AsleepError: The Ollama does not wake.
            TooManyError: Too many of this home's prompts wait for that.
        """
        if route.inference.sleep_after_s is None or self._activities.of(route.namespace) is None:
            return await compute(route)
        with self._use(route, route.inference.sleep_after_s):
            awake = await self._awake(request, exchange, route, prompt)
            try:
                answer = await compute(awake)
            except (UpstreamError, NotReadyError) as error:
                if exchange.first_byte is not None or not await self._was_stopped(awake, error):
                    raise
                await self._wake(request, exchange, route, prompt)
                answer = await compute(self._current(route))
            if exchange.woken is not None and exchange.first_byte is not None:
                self._rouser.observe("first_token", exchange.first_byte - exchange.woken)
            return answer

    async def _awake(
        self, request: web.BaseRequest, exchange: Exchange, route: TenantRoute, prompt: Prompt
    ) -> TenantRoute:
        """Return the route once its Ollama is awake, and known to stay so for a while."""
        current, activity = self._current(route), self._activities.of(route.namespace)
        if current.backend is not None and activity is not None and activity.is_awake:
            if activity.is_fresh(route.inference.sleep_after_s or 0, self._now()):
                return current
            if await self._claims.renew(route) is not False:
                return self._current(route)
        await self._wake(request, exchange, route, prompt)
        return self._current(route)

    def _current(self, route: TenantRoute) -> TenantRoute:
        """Return the route as it is now, with what was decided about its prompts."""
        found = self._directory.find(route.tenant_id)
        return replace(route, backend=found.backend, node=found.node) if found else replace(route, backend=None)

    async def _wake(self, request: web.BaseRequest, exchange: Exchange, route: TenantRoute, prompt: Prompt) -> None:
        if self._waiting[route.namespace] >= WAITING_OF_TENANT:
            raise TooManyError(f"{WAITING_OF_TENANT} prompts of this home wait for its Ollama", retry_after_s=5)
        begun = self._clock()
        self._waiting[route.namespace] += 1
        try:
            await self._attend(request, exchange, route, prompt)
        finally:
            self._waiting[route.namespace] -= 1
            self._waiting += Counter()  # keeps no zeros
        exchange.woken = self._clock()
        exchange.headers[WAKE_HEADER] = f"{exchange.woken - begun:.1f}"

    async def _attend(self, request: web.BaseRequest, exchange: Exchange, route: TenantRoute, prompt: Prompt) -> None:
        """Return when the Ollama is awake; meanwhile let a stream's client see that somebody is there."""
        wake = self._wakes.start(route.tenant_id, lambda: self._rouser.rouse(route, prompt))
        wait_s = self._patience.hold_s
        while not (await asyncio.wait([wake], timeout=wait_s))[0]:
            wait_s = self._patience.beat_s
            activity = self._activities.of(route.namespace)
            if activity is not None and activity.obstacle:
                raise AsleepError(sentence(route, activity.obstacle), retry_after_s=RETRY_AFTER_S, tenant=route.name)
            if prompt.streams and prompt.endpoint.name in LOADABLE:
                await heartbeats.beat(request, exchange, prompt, self._now())
        wake.result()

    async def _was_stopped(self, tried: TenantRoute, error: Exception) -> bool:
        """Say whether an Ollama that broke off was stopped: another one may answer, and a prompt changes nothing."""
        if isinstance(error, NotReadyError):
            return True
        try:
            async with asyncio.timeout(self._patience.verdict_s):
                while True:
                    change = self._activities.change(tried.namespace)
                    activity = self._activities.of(tried.namespace)
                    if activity is None or not activity.is_awake or self._current(tried).backend != tried.backend:
                        return True
                    await change
        except TimeoutError:
            return False

    @contextmanager
    def _use(self, route: TenantRoute, after_s: float) -> Iterator[None]:
        """Keep the home awake for as long as this lasts."""
        space = route.namespace
        self._users[space] += 1
        if space not in self._keepers:
            self._keepers[space] = asyncio.create_task(self._keep(route, after_s))
        try:
            yield
        finally:
            self._users[space] -= 1
            if not self._users[space]:
                del self._users[space]
                self._keepers.pop(space).cancel()

    async def _keep(self, route: TenantRoute, after_s: float) -> None:
        """Renew the Lease as often as it grows old."""
        while (activity := self._activities.of(route.namespace)) is not None:
            rest_s = quiet_s(after_s) - activity.idle_s(self._now())
            if rest_s > 0:
                await asyncio.sleep(rest_s)
            elif await self._claims.renew(route) is None:
                await asyncio.sleep(self._patience.retry_s)
