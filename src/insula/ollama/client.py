"""A small client of one Ollama server: what we ask it beside what the gateway forwards."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
from yarl import URL

from insula.domain.errors import NotFoundError, RefusedError, UnavailableError, cap

ANSWER_S: Final = 30.0
LOAD_S: Final = 300.0  # a cold model of 40 GB is read first


@asynccontextmanager
async def open_ollama(url: str, *, key: str = "") -> AsyncIterator["Ollama"]:
    """Open the Ollama at `url`; `key` is a tenant's key where the gateway stands in front."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=ANSWER_S)) as session:
        yield Ollama(session, URL(url))


class Ollama:
    """One Ollama. Methods raise UnavailableError when it does not answer and RefusedError when it says no."""

    def __init__(self, session: aiohttp.ClientSession, url: URL) -> None:
        self._session = session
        self._url = url

    async def version(self) -> str:
        """Return the server's version."""
        return str((await self._call("GET", "/api/version"))["version"])

    async def models(self) -> dict[str, str]:
        """Return the installed models with their digests (`sha256:` in front)."""
        listed = (await self._call("GET", "/api/tags")).get("models") or []
        return {model["name"]: f"sha256:{model['digest']}" for model in listed}

    async def capabilities(self, model: str) -> frozenset[str]:
        """Return what a model can do, such as `completion` and `tools`.

        Raises:
            NotFoundError: The model is not installed.
        """
        shown = await self._call("POST", "/api/show", {"model": model})
        return frozenset(shown.get("capabilities") or ())

    async def load(self, model: str, context_tokens: int) -> None:
        """Load a model and keep it, for conversations of that many tokens: another number would load it again."""
        body = {"model": model, "keep_alive": -1, "options": {"num_ctx": context_tokens}, "stream": False}
        await self._call("POST", "/api/generate", body, timeout_s=LOAD_S)

    async def _call(self, method: str, path: str, body: Any = None, timeout_s: float = ANSWER_S) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._session.request(method, self._url / path[1:], json=body, timeout=timeout) as answer:
                text = await answer.text()
                if answer.status == 404:  # noqa: PLR2004
                    raise NotFoundError(f"Ollama at {self._url.host} does not have it: {cap(text)}")
                if answer.status >= 500 or answer.status == 429:  # noqa: PLR2004
                    raise UnavailableError(f"Ollama at {self._url.host} answered {answer.status}: {cap(text)}")
                if answer.status >= 400:  # noqa: PLR2004
                    raise RefusedError(f"Ollama at {self._url.host} answered {answer.status}: {cap(text)}")
                content: dict[str, Any] = await answer.json(content_type=None)
                return content
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise UnavailableError(f"Ollama at {self._url.host} did not answer: {cap(str(error))}") from error
