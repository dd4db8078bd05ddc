"""A request that uses the model, read whole before it is judged: which model, what kind of answer, how long."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import orjson
from aiohttp import web

from insula.domain.inference import Priority
from insula.gateway.errors import BadRequestError, SlowRequestError, TooLargeError
from insula.gateway.paths import Endpoint

# A prompt with several camera pictures in base64 is a few MiB.
MAX_BODY_BYTES: Final = 64 * 1024 * 1024
# The longest body in this time is 4 Mbit/s.
UPLOAD_S: Final = 120.0
# The header with which a client lets others go first: `batch`.
PRIORITY_HEADER: Final = "X-Insula-Priority"
Take: TypeAlias = Callable[[int], None]
"""Is told how many bytes more of a body are held; raises when there is no room for them."""
# How escapes begin that stand for letters, which nobody needs to escape.
_ESCAPED_LETTERS: Final = (b"\\u004", b"\\u005", b"\\u006", b"\\u007")
_JSON_ROOT: Final = "the body of this request is a JSON object"


@dataclass(frozen=True)
class Prompt:
    """What a client asks of a model. `body` is what is sent on; `document` what it says, and is never changed."""

    endpoint: Endpoint
    path: str
    body: bytes
    document: Mapping[str, Any]
    priority: Priority = Priority.INTERACTIVE  # what the client says of itself

    @property
    def continues(self) -> bool:
        """Whether it hands in what a tool said, for which the model asked a moment ago."""
        messages = self.document.get("messages")
        last = messages[-1] if isinstance(messages, list) and messages else None
        return isinstance(last, dict) and last.get("role") == "tool"

    def class_under(self, plan: Priority) -> Priority:
        """Return the class that is in force: the lower one of the client's and the plan's."""
        return Priority.BATCH if Priority.BATCH in (self.priority, plan) else Priority.INTERACTIVE

    @property
    def model(self) -> str:
        """The model's name as the client wrote it, "" when it named none."""
        name = self.document.get("model")
        return name if isinstance(name, str) else ""

    @property
    def streams(self) -> bool:
        """Whether the answer comes in pieces: Ollama's own API streams unless told not to, OpenAI's when told to."""
        asked = self.document.get("stream")
        return asked is True if self.endpoint.openai else asked is not False


async def read(
    request: web.BaseRequest, endpoint: Endpoint, path: str, *, take: Take, within_s: float = UPLOAD_S
) -> Prompt:
    """Read a request whole.

    Args:
        request: What the client sends.
        endpoint: What it asks for.
        path: The same, as it came on the wire.
        take: Is told how many bytes more are held; may raise.
        within_s: How long that may take.

    Raises:
        TooLargeError: Its body is longer than `MAX_BODY_BYTES`.
        SlowRequestError: It took longer than `within_s`.
        BadRequestError: It is no JSON object.
    """
    prompt = parse(await read_body(request, take=take, within_s=within_s), endpoint, path)
    asked = request.headers.get(PRIORITY_HEADER, "").strip().lower()
    return replace(prompt, priority=Priority.BATCH) if asked == Priority.BATCH else prompt


async def read_body(request: web.BaseRequest, *, take: Take, within_s: float = UPLOAD_S) -> bytes:
    """Read a request's body whole; `take` is told how many bytes more are held, and may raise.

    Raises:
        TooLargeError: It is longer than `MAX_BODY_BYTES`.
        SlowRequestError: It took longer than `within_s`.
    """
    try:
        async with asyncio.timeout(within_s):
            return await _read(request, take)
    except TimeoutError as error:
        raise SlowRequestError(f"the request's body did not come within {within_s:.0f} s") from error


async def _read(request: web.BaseRequest, take: Take) -> bytes:
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise _too_large()
    body = bytearray()
    async for chunk in request.content.iter_any():
        if len(body) + len(chunk) > MAX_BODY_BYTES:
            raise _too_large()
        take(len(chunk))
        body += chunk
    return bytes(body)


def parse(body: bytes, endpoint: Endpoint, path: str) -> Prompt:
    """Return what a body asks.

    Raises:
        BadRequestError: It is no JSON object.
    """
    try:
        document = orjson.loads(body)
    except ValueError as error:
        raise BadRequestError(f"{_JSON_ROOT}, and this is no JSON") from error
    if not isinstance(document, dict):
        raise BadRequestError(f"{_JSON_ROOT}, and this is another thing")
    if _reads_in_one_way(body, document):
        return Prompt(endpoint, path, body, document)
    document = {name.casefold(): value for name, value in document.items()}
    return Prompt(endpoint, path, write(document), document)


def _reads_in_one_way(body: bytes, document: Mapping[str, Any]) -> bool:
    """Say whether Ollama is sure to read a body as it was read here.

    Go takes names for equal that differ in case, and joins options that stand twice; an escape may hide a name.
    """
    if body.count(b'"options"') > 1 or any(escape in body for escape in _ESCAPED_LETTERS):
        return False
    return all(name == name.casefold() for name in document)


def write(document: Any) -> bytes:
    """Return a document as the body of a request.

    Raises:
        BadRequestError: It is nested deeper than any request is.
    """
    try:
        return orjson.dumps(document)
    except TypeError as error:  # it was read from JSON, so this is its depth
        raise BadRequestError("the body of this request is nested too deep") from error


def _too_large() -> TooLargeError:
    return TooLargeError(f"the request is longer than {MAX_BODY_BYTES // 1024 // 1024} MiB")
