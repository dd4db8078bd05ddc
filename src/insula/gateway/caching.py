"""Answers told again from memory, and equal prompts that come at the same time computed once.

A prompt that is answered from memory waits for no turn, wakes no Ollama and costs no GPU-seconds.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import prometheus_client
from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge

from insula.gateway import cachable, replaying, wire
from insula.gateway.answers import ENTRY_BYTES, Answers
from insula.gateway.cachable import Bypass
from insula.gateway.forwarding import ClientGoneError
from insula.gateway.lru import Lru
from insula.gateway.prompts import Prompt
from insula.gateway.records import Exchange, Outcome
from insula.gateway.remembering import ANSWER_TTL_S, Remembered
from insula.gateway.replaying import Form
from insula.gateway.tails import Copy
from insula.gateway.tenants import TenantRoute

HEADER: Final = "X-Insula-Cache"
# Counts are kept of so many tenants; they are a few hundred bytes each.
TENANTS_COUNTED: Final = 16384
_OK: Final = 200

Compute = Callable[[], Awaitable[web.StreamResponse]]


class Cache(Protocol):
    """Knows answers already, or has them computed."""

    async def answer(
        self, request: web.BaseRequest, exchange: Exchange, route: TenantRoute, prompt: Prompt, compute: Compute
    ) -> web.StreamResponse:
        """Answer a prompt from memory, else by `compute`, whose answer may be kept."""
        ...


class NoCache:
    """Knows nothing and keeps nothing."""

    async def answer(
        self, request: web.BaseRequest, exchange: Exchange, route: TenantRoute, prompt: Prompt, compute: Compute
    ) -> web.StreamResponse:
        """Have it computed."""
        return await compute()


@dataclass
class _Flight:
    """An answer that is being computed. `fits`: it was kept, or may be by whoever tries next."""

    fits: bool = True
    landed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class _Case:
    """One prompt whose answer may be kept: whose, of which model, and under which key."""

    route: TenantRoute
    prompt: Prompt
    digest: str
    key: str

    @property
    def place(self) -> tuple[str, str]:
        return self.route.tenant_id, self.key


@dataclass
class _Counts:
    name: str
    results: Counter[str] = field(default_factory=Counter)


class Caching:
    """Keeps the answers that may be told again.

    Args:
        answers: Where they are kept.
        remembered: Knows the models' digests and the Ollamas' versions.
        registry: Where the metrics are registered.
    """

    def __init__(self, answers: Answers, remembered: Remembered, registry: CollectorRegistry) -> None:
        self._answers = answers
        self._remembered = remembered
        self._flights: dict[tuple[str, str], _Flight] = {}
        self._counts: Lru[str, _Counts] = Lru(TENANTS_COUNTED)
        self._results = prometheus_client.Counter(
            "insula_gateway_cache_prompts_total", "Prompts by what came of the cache.", ["result"], registry=registry
        )
        size = Gauge("insula_gateway_cache_bytes", "What kept answers take.", registry=registry)
        size.set_function(lambda: answers.size_bytes)

    def statistics(self) -> list[dict[str, Any]]:
        """Return what came of each tenant's prompts since the gateway started, and what is kept of them."""
        rows = []
        for tenant_id, counts in self._counts.items():
            kept, size = self._answers.of(tenant_id)
            rows.append({"tenant": counts.name, "answers": kept, "bytes": size, "results": dict(counts.results)})
        return sorted(rows, key=lambda row: str(row["tenant"]))

    async def answer(
        self, request: web.BaseRequest, exchange: Exchange, route: TenantRoute, prompt: Prompt, compute: Compute
    ) -> web.StreamResponse:
        """Answer a prompt from memory, else by `compute`, whose answer may be kept."""
        refused = cachable.refusal(prompt) if route.inference.cache else Bypass.PLAN
        digest = "" if refused else await self._remembered.digest(route, prompt.model, fresh_s=ANSWER_TTL_S)
        version = await self._remembered.version(route) if digest else ""
        if refused or not version:
            self._note(route, exchange, f"bypass ({refused or Bypass.MODEL})")
            return await compute()
        key = cachable.key(prompt, digest=digest, version=version, context_tokens=route.inference.context_tokens)
        case = _Case(route, prompt, digest, key)
        form = await self._known(case)
        if form is not None:
            self._note(route, exchange, "hit")
            exchange.model_digest = digest
            return await _tell(request, exchange, form)
        self._note(route, exchange, "miss")
        if case.place in self._flights:  # what flies there is not kept: nobody waits for it
            return await compute()
        return await self._compute(case, exchange, compute)

    async def _known(self, case: _Case) -> Form | None:
        """Return the answer in the form that its prompt wants; wait for it where it is under way."""
        while True:
            whole = self._answers.get(*case.place)
            form = replaying.write(whole, case.prompt) if whole is not None else None
            flight = self._flights.get(case.place)
            if form is not None or flight is None:
                return form
            await flight.landed.wait()
            if not flight.fits:
                return None

    async def _compute(self, case: _Case, exchange: Exchange, compute: Compute) -> web.StreamResponse:
        flight = self._flights[case.place] = _Flight()
        exchange.copy = Copy(ENTRY_BYTES)
        try:
            response = await compute()
            flight.fits = await self._keep(case, exchange)
        except (ClientGoneError, ConnectionError, asyncio.CancelledError):
            raise  # its client left: whoever waits computes in its place
        except BaseException:
            flight.fits = False
            raise
        else:
            return response
        finally:
            exchange.copy = None
            del self._flights[case.place]
            flight.landed.set()

    async def _keep(self, case: _Case, exchange: Exchange) -> bool:
        """Keep the answer that came if it is whole, and of the model that the prompt was for; say whether it was."""
        came = exchange.copy.whole if exchange.copy is not None else None
        if came is None or exchange.status != _OK or exchange.outcome is not Outcome.ANSWERED:
            return False
        whole = replaying.read(case.prompt, came)
        if whole is None or await self._remembered.digest(case.route, case.prompt.model, fresh_s=0) != case.digest:
            return False
        return self._answers.put(*case.place, whole)

    def _note(self, route: TenantRoute, exchange: Exchange, result: str) -> None:
        exchange.cache = exchange.headers[HEADER] = result
        counts = self._counts.get(route.tenant_id)
        if counts is None:
            counts = _Counts(route.name)
            self._counts.put(route.tenant_id, counts)
        counts.results[result] += 1
        self._results.labels(result).inc()


async def _tell(request: web.BaseRequest, exchange: Exchange, form: Form) -> web.StreamResponse:
    """Send an answer from memory, which costs nothing: what it says that was used was used before."""
    response = web.StreamResponse(headers=wire.of_stream(form.content_type, exchange.headers))
    if not form.streamed:
        response.content_length = len(form.body)
    exchange.status, exchange.bytes_out = response.status, len(form.body)
    exchange.first_byte = exchange.clock()
    await response.prepare(request)
    await response.write(form.body)
    await response.write_eof()
    exchange.finish()
    return response
