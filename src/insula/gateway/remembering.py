"""Ollama's short answers about itself, kept for a few seconds: clients poll them, and nobody needs them fresher.

Home Assistant asks `/api/tags` and `/api/ps` every 30 s, other clients more often. The list of models also tells the
digest of the model that answered, and whether a pull is needed.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp

from insula.gateway.errors import NotReadyError, UpstreamError
from insula.gateway.tenants import TenantRoute

ANSWER_TTL_S: Final = 3.0
# A digest changes only with a new pull; until then the line of a request may name the old one.
DIGEST_TTL_S: Final = 60.0
# Home Assistant gives /api/tags 5 s in all.
TIMEOUT_S: Final = 4.0
MAX_ANSWER_BYTES: Final = 1024 * 1024
ANSWERS_KEPT: Final = 4096
TAGS: Final = "/api/tags"


@dataclass(frozen=True)
class Answer:
    """A whole answer; `at` is when it came, `digests` the models' manifest digests when it is a list of models."""

    at: float
    status: int
    content_type: str
    body: bytes
    digests: Mapping[str, str]


class Remembered:
    """Asks Ollama, or remembers what it said. Only good answers are kept, per tenant and backend.

    Args:
        session: From `forwarding.open_session`.
        clock: Seconds that never go back.
        kept: How many answers are remembered in all.
    """

    def __init__(self, session: aiohttp.ClientSession, clock: Callable[[], float], *, kept: int = ANSWERS_KEPT) -> None:
        self._session = session
        self._clock = clock
        self._kept = kept
        self._answers: OrderedDict[tuple[str, str, str], Answer] = OrderedDict()

    async def get(self, route: TenantRoute, backend: str, path: str, *, ttl_s: float = ANSWER_TTL_S) -> Answer:
        """Return Ollama's answer to GET `path`, at most `ttl_s` seconds old.

        Raises:
            NotReadyError: Nobody listens at the backend, or not within `TIMEOUT_S`.
            UpstreamError: The answer broke off, or is longer than `MAX_ANSWER_BYTES`.
        """
        place = (route.tenant_id, backend, path)
        known = self._answers.get(place)
        if known is not None and self._clock() - known.at < ttl_s:
            self._answers.move_to_end(place)
            return known
        answer = await self._ask(backend, path)
        if answer.status == 200:  # noqa: PLR2004
            self._answers[place] = answer
            self._answers.move_to_end(place)
            if len(self._answers) > self._kept:
                self._answers.popitem(last=False)
        return answer

    async def digest(self, route: TenantRoute, backend: str, model: str) -> str:
        """Return the manifest digest of a tenant's model, "" when the tenant has no such model or cannot say."""
        name = full_name(model)
        try:
            listed = await self.get(route, backend, TAGS, ttl_s=DIGEST_TTL_S)
            if name not in listed.digests:  # it may have come since
                listed = await self.get(route, backend, TAGS)
        except (NotReadyError, UpstreamError):
            return ""
        return listed.digests.get(name, "")

    async def _ask(self, backend: str, path: str) -> Answer:
        try:
            async with (
                self._session.get(
                    f"http://{backend}{path}", allow_redirects=False, timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)
                ) as response,
            ):
                body = await response.content.read(MAX_ANSWER_BYTES + 1)
                while len(body) <= MAX_ANSWER_BYTES and (more := await response.content.read(MAX_ANSWER_BYTES)):
                    body += more
        except (aiohttp.ClientConnectorError, TimeoutError) as error:
            raise NotReadyError("the Ollama of this home does not answer yet", retry_after_s=2) from error
        except aiohttp.ClientError as error:
            raise UpstreamError(f"the Ollama of this home broke off: {type(error).__name__}") from error
        if len(body) > MAX_ANSWER_BYTES:
            raise UpstreamError(f"the answer to {path} is longer than {MAX_ANSWER_BYTES // 1024} KiB")
        content_type = response.headers.get("Content-Type", "application/json; charset=utf-8")
        digests = _digests(body) if path == TAGS and response.status == 200 else {}  # noqa: PLR2004
        return Answer(self._clock(), response.status, content_type, body, digests)


def full_name(model: str) -> str:
    """Return a model's name with its tag, as Ollama lists it."""
    return model if ":" in model.rpartition("/")[2] else f"{model}:latest"


def _digests(body: bytes) -> dict[str, str]:
    try:
        return {full_name(model["model"]): str(model["digest"]) for model in json.loads(body)["models"] or []}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
