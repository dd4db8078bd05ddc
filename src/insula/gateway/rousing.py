"""One wake of one Ollama, from the asking to the loaded model, in a task that no client's leaving ends."""

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import orjson
from prometheus_client import CollectorRegistry, Histogram

from insula.domain.activity import Activity, SleepState
from insula.domain.errors import InsulaError
from insula.gateway.activities import Activities
from insula.gateway.claims import Claims
from insula.gateway.errors import AsleepError
from insula.gateway.prompts import Prompt
from insula.gateway.tenants import Directory, TenantRoute

# A pod that waits for a node or an image may take minutes; a client that still waits then is told to come again.
LIMIT_S: Final = 300.0
# A pod is ready a moment before its network is, on some nodes. Waiting longer would be waiting for nothing.
DIAL_EVERY_S: Final = 0.04
DIAL_S: Final = 1.0
ASK_AGAIN_S: Final = 0.5
RETRY_AFTER_S: Final = 15
# What can be loaded by an empty prompt: a model for embeddings alone cannot.
LOADABLE: Final = frozenset({"api_chat", "api_generate", "v1_chat_completions", "v1_completions"})
_BUCKETS_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 300)


@dataclass
class Stages:
    """When a wake came how far, in seconds of `clock`. A stage is noted once."""

    clock: Callable[[], float]
    at: dict[str, float] = field(default_factory=dict)

    def reach(self, stage: str) -> None:
        """Note that a stage is done."""
        self.at.setdefault(stage, self.clock())

    def seconds(self) -> dict[str, float]:
        """Return how long each stage took, and which part of it all was the platform's own."""
        marks = list(self.at.items())
        took = {stage: when - before for (_, before), (stage, when) in itertools.pairwise(marks)}
        own = sum(took.get(stage, 0.0) for stage in ("asked", "scheduled", "reached"))
        return took | {"platform": own}


class Rouser:
    """Wakes Ollamas.

    Args:
        directory: Knows where an Ollama is ready.
        activities: Knows what the Leases say.
        claims: Writes them.
        session: From `forwarding.open_session`.
        registry: Where the metrics are registered.
        clock: Seconds that never go back.
        limit_s: How long a wake may take.
    """

    def __init__(
        self,
        directory: Directory,
        activities: Activities,
        claims: Claims,
        session: aiohttp.ClientSession,
        registry: CollectorRegistry,
        *,
        clock: Callable[[], float] = time.monotonic,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._directory = directory
        self._activities = activities
        self._claims = claims
        self._session = session
        self._clock = clock
        self._limit_s = limit_s
        self._seconds = Histogram(
            "insula_gateway_wake_seconds", "Wakes, by stage.", ["stage"], registry=registry, buckets=_BUCKETS_S
        )

    def observe(self, stage: str, seconds: float) -> None:
        """Count what a stage took."""
        self._seconds.labels(stage).observe(seconds)

    async def rouse(self, route: TenantRoute, prompt: Prompt) -> None:
        """Return when the home's Ollama answers and has loaded what the prompt asks for.

        Raises:
            AsleepError: It does not within the limit.
        """
        stages = Stages(self._clock)
        stages.reach("begun")
        known = self._activities.of(route.namespace)
        slept = known is not None and not known.is_awake
        try:
            async with asyncio.timeout(self._limit_s):
                backend = await self._wait(route, stages)
                await self._load(backend, prompt)
        except TimeoutError as error:
            why = (self._activities.of(route.namespace) or Activity()).obstacle
            raise AsleepError(sentence(route, why), retry_after_s=RETRY_AFTER_S, tenant=route.name) from error
        stages.reach("loaded")
        if slept:
            for stage, seconds in stages.seconds().items():
                self.observe(stage, seconds)

    async def _wait(self, route: TenantRoute, stages: Stages) -> str:
        """Return the backend once it answers: the watches tell when to look, nothing is asked again and again."""
        await self._ask(route)
        stages.reach("asked")
        while True:
            change = self._activities.change(route.namespace)
            activity, found = self._activities.of(route.namespace), self._directory.find(route.tenant_id)
            if activity is None or found is None:
                raise AsleepError(sentence(route, ""), retry_after_s=RETRY_AFTER_S, tenant=route.name)
            if activity.state is SleepState.ASLEEP:  # it was put to sleep again before it was there
                await self._ask(route)
                continue
            if not activity.is_awake:
                await change
                continue
            stages.reach("scheduled")
            if found.backend is None:
                await change
                continue
            stages.reach("started")
            if await self._answers(found.backend):
                stages.reach("reached")
                return found.backend
            await asyncio.wait([change], timeout=DIAL_EVERY_S)

    async def _ask(self, route: TenantRoute) -> None:
        while True:
            try:
                await self._claims.ask(route)
            except InsulaError:
                await asyncio.sleep(ASK_AGAIN_S)
            else:
                return

    async def _answers(self, backend: str) -> bool:
        try:
            async with asyncio.timeout(DIAL_S), self._session.get(f"http://{backend}/api/version") as response:
                return response.ok
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _load(self, backend: str, prompt: Prompt) -> None:
        """Have the model loaded, as the prompt will want it. What goes wrong here, the prompt itself is told."""
        if prompt.endpoint.name not in LOADABLE or not prompt.model:
            return
        wanted = {name: prompt.document[name] for name in ("options", "keep_alive") if name in prompt.document}
        body = orjson.dumps({"model": prompt.model, "stream": False} | (wanted if not prompt.endpoint.openai else {}))
        try:
            async with self._session.post(f"http://{backend}/api/generate", data=body) as response:
                await response.read()
        except aiohttp.ClientError:
            return


def sentence(route: TenantRoute, obstacle: str) -> str:
    """Return why an Ollama that sleeps does not answer."""
    return f"the Ollama of {route.name} sleeps, and does not wake yet" + (f": {obstacle}" if obstacle else "")
