"""Ollama's short answers about itself, answered from memory: clients poll them, and nobody waits for them.

Home Assistant asks `/api/tags` and `/api/ps` every 30 s, other clients more often. While an Ollama is awake its last
answer is given at once and a newer one fetched behind it; while it sleeps, its last answer stands, or what the operator
wrote down of its volume. The list of models also tells the digest of the model that answered, and whether a pull is
needed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp

from insula.gateway import telling, wire
from insula.gateway.errors import NotReadyError, UpstreamError
from insula.gateway.flights import Flights
from insula.gateway.lru import Lru
from insula.gateway.telling import Said
from insula.gateway.tenants import TenantRoute

# An answer that is younger is not asked for again.
ANSWER_TTL_S: Final = 3.0
# A digest changes only with a new pull; until then the line of a request may name the old one.
DIGEST_TTL_S: Final = 60.0
# Home Assistant gives /api/tags 5 s in all. Waited for only as long as nothing is known.
TIMEOUT_S: Final = 4.0
MAX_ANSWER_BYTES: Final = 1024 * 1024
# About 1 KB a tenant: its list of models, what is loaded, its version.
KEPT_BYTES: Final = 16 * 1024 * 1024
_ANSWER_OVERHEAD_BYTES: Final = 512
_VERSION: Final = "/api/version"
_OK: Final = 200


@dataclass(frozen=True)
class Answer:
    """What an Ollama said; `at` is when, `backend` which, `digests` its models' when it is a list of models."""

    at: float
    backend: str
    said: Said
    digests: Mapping[str, str]


class Remembered:
    """Asks Ollama, and remembers what it said. Only good answers are kept.

    Args:
        session: From `forwarding.open_session`.
        clock: Seconds that never go back.
        kept_bytes: How much is remembered in all.
    """

    def __init__(
        self, session: aiohttp.ClientSession, clock: Callable[[], float], *, kept_bytes: int = KEPT_BYTES
    ) -> None:
        self._session = session
        self._clock = clock
        self._answers: Lru[tuple[str, str], Answer] = Lru(kept_bytes, size=_size)
        self._flights: Flights[tuple[str, str, str], Answer] = Flights()

    async def close(self) -> None:
        """Ask no more."""
        await self._flights.close()

    async def tell(self, route: TenantRoute, path: str) -> Said:
        """Return the answer to GET `path`: from memory as soon as anything is known, whether the Ollama wakes or not.

        Raises:
            NotReadyError: Nothing is known, and the Ollama does not answer.
            UpstreamError: Nothing is known, and the answer broke off or is longer than `MAX_ANSWER_BYTES`.
        """
        if not path.startswith(telling.OPENAI_MODELS):
            return await self._tell(route, path)
        tags = await self._tell(route, telling.TAGS)
        return telling.openai(path, tags.body) if tags.status == _OK else tags

    async def _tell(self, route: TenantRoute, path: str) -> Said:
        known = self._answers.get((route.tenant_id, path))
        # What another process had loaded is loaded no more.
        if known is not None and path == telling.PS and known.backend != route.backend:
            known = None
        if route.backend is None:
            return self._asleep(route, path, known)
        if known is None:
            try:
                return (await self._fetch(route, route.backend, path)).said
            except (NotReadyError, UpstreamError):
                return self._asleep(route, path, known)
        if self._is_old(known, route, ANSWER_TTL_S):
            self._flights.start((route.tenant_id, route.backend, path), lambda: self._ask(route, path))
            return self._asleep(route, path, known) if path == telling.TAGS else known.said
        return known.said

    async def digest(self, route: TenantRoute, model: str, *, fresh_s: float = DIGEST_TTL_S) -> str:
        """Return the manifest digest of a tenant's model, "" when the tenant has no such model or cannot say.

        Args:
            route: Whose model.
            model: Its name, as a client writes it.
            fresh_s: How old the list may be that says so, if the Ollama is awake.
        """
        name = telling.full_name(model)
        try:
            digests = await self._digests(route, fresh_s)
            if name not in digests:  # it may have come since
                digests = await self._digests(route, ANSWER_TTL_S)
        except (NotReadyError, UpstreamError):
            return ""
        return digests.get(name, "")

    async def version(self, route: TenantRoute) -> str:
        """Return what a tenant's Ollama says of its version, "" when it cannot say."""
        known = self._answers.get((route.tenant_id, _VERSION))
        try:
            if route.backend is not None and (known is None or known.backend != route.backend):
                known = await self._fetch(route, route.backend, _VERSION)
        except (NotReadyError, UpstreamError):
            return ""
        return known.said.body.decode(errors="replace") if known is not None else ""

    async def _digests(self, route: TenantRoute, fresh_s: float) -> Mapping[str, str]:
        known = self._answers.get((route.tenant_id, telling.TAGS))
        if route.backend is None:
            return telling.digests(self._asleep(route, telling.TAGS, known).body)
        if known is None or self._is_old(known, route, fresh_s):
            known = await self._fetch(route, route.backend, telling.TAGS)
        return known.digests

    def _is_old(self, answer: Answer, route: TenantRoute, fresh_s: float) -> bool:
        return answer.backend != route.backend or self._clock() - answer.at >= fresh_s

    def _asleep(self, route: TenantRoute, path: str, known: Answer | None) -> Said:
        said = telling.asleep(path, route.pulled, known.said.body if known else None)
        if said is None:
            raise NotReadyError("the Ollama of this home does not answer yet", retry_after_s=2, tenant=route.name)
        return said

    async def _fetch(self, route: TenantRoute, backend: str, path: str) -> Answer:
        return await self._flights.join((route.tenant_id, backend, path), lambda: self._ask(route, path))

    async def _ask(self, route: TenantRoute, path: str) -> Answer:
        backend = route.backend or ""
        status, content_type, body = await _read(self._session, backend, path)
        good = status == _OK
        digests = telling.digests(body) if good and path == telling.TAGS else {}
        answer = Answer(self._clock(), backend, Said(body, content_type, status), digests)
        if good:
            self._answers.put((route.tenant_id, path), answer)
        return answer


async def _read(session: aiohttp.ClientSession, backend: str, path: str) -> tuple[int, str, bytes]:
    try:
        async with session.get(
            f"http://{backend}{path}", allow_redirects=False, timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)
        ) as response:
            body = await wire.read_at_most(response.content, MAX_ANSWER_BYTES)
    except (aiohttp.ClientConnectorError, TimeoutError) as error:
        raise NotReadyError("the Ollama of this home does not answer yet", retry_after_s=2) from error
    except aiohttp.ClientError as error:
        raise UpstreamError(f"the Ollama of this home broke off: {type(error).__name__}") from error
    if body is None:
        raise UpstreamError(f"the answer to {path} is longer than {MAX_ANSWER_BYTES // 1024} KiB")
    return response.status, response.headers.get("Content-Type", wire.JSON_TYPE), body


def _size(answer: Answer) -> int:
    return len(answer.said.body) + _ANSWER_OVERHEAD_BYTES
