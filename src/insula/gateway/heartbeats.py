"""A stream that begins before its answer does, so that no client and no proxy gives up while an Ollama wakes.

Clients read every line of Ollama's own API as JSON, so a sign of life is a true piece of an answer that says nothing;
in server-sent events it is a comment.
"""

import contextlib
from datetime import datetime
from typing import Final

import orjson
from aiohttp import web

from insula.gateway import forwarding, wire
from insula.gateway.errors import GatewayError
from insula.gateway.prompts import Prompt
from insula.gateway.records import Exchange

_CHAT: Final = {"message": {"role": "assistant", "content": ""}}
_GENERATE: Final = {"response": ""}


async def beat(request: web.BaseRequest, exchange: Exchange, prompt: Prompt, now: datetime) -> None:
    """Send a sign of life in a prompt's stream, which begins with the first one.

    Raises:
        ClientGoneError: The client left.
    """
    try:
        if exchange.begun is None:
            kind = wire.EVENTS_TYPE if prompt.endpoint.openai else wire.LINES_TYPE
            response = web.StreamResponse(headers=wire.of_stream(kind, exchange.headers))
            await response.prepare(request)
            exchange.begun = response
        await exchange.begun.write(nothing(prompt, now))
    except ConnectionError as error:
        raise forwarding.ClientGoneError from error


def nothing(prompt: Prompt, now: datetime) -> bytes:
    """Return a piece of an answer that says nothing."""
    if prompt.endpoint.openai:
        return b": waking\n\n"
    said = _CHAT if prompt.endpoint.name == "api_chat" else _GENERATE
    head = {"model": prompt.model, "created_at": now.isoformat().replace("+00:00", "Z")}
    return orjson.dumps(head | said | {"done": False}) + b"\n"


async def refuse(request: web.BaseRequest, exchange: Exchange, error: GatewayError) -> web.StreamResponse | None:
    """Tell the client of a stream that has begun why its answer does not come; None: none has begun."""
    if exchange.begun is None:
        return None
    exchange.reason = error.message
    with contextlib.suppress(ConnectionError):  # it left just now
        await forwarding.end_broken(request, exchange.begun, exchange)
    return exchange.begun
