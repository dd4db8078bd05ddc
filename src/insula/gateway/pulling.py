"""The gateway's own answer to `POST /api/pull`: a model is there because the Tenant names it, or it is not.

Home Assistant pulls when the model that was chosen is missing from the list, and waits for `{"status": "success"}`.
"""

from dataclasses import dataclass
from typing import Final

import orjson
from aiohttp import web

from insula.gateway import wire
from insula.gateway.errors import BadRequestError, ForbiddenError

MAX_BODY_BYTES: Final = 64 * 1024
_SUCCESS: Final = b'{"status":"success"}'


@dataclass(frozen=True)
class PullRequest:
    """What a client asks to pull. Ollama streams progress unless told not to."""

    model: str
    stream: bool


async def read(request: web.BaseRequest) -> PullRequest:
    """Read a pull request.

    Raises:
        BadRequestError: The body is too long, is no JSON, or names no model.
    """
    body = await wire.read_at_most(request.content, MAX_BODY_BYTES)
    if body is None:
        raise BadRequestError("the body of a pull is longer than a pull can be")
    try:
        document = orjson.loads(body)
        model = document.get("model") or document.get("name")
        stream = document.get("stream") is not False
    except (ValueError, AttributeError) as error:
        raise BadRequestError("the body of a pull is a JSON object that names a model") from error
    if not isinstance(model, str) or not model:
        raise BadRequestError("the pull names no model")
    return PullRequest(model, stream)


def answer(asked: PullRequest, digest: str) -> web.Response:
    """Say that the model is there.

    Args:
        asked: What the client asks for.
        digest: The model's digest in the tenant's Ollama, "" when it is not there.

    Raises:
        ForbiddenError: It is not there. Pulling is the operator's work.
    """
    if not digest:
        raise ForbiddenError(
            f"{asked.model[:128]} is not installed, and a home cannot pull: models are set in the Tenant "
            "(spec.ollama.models)"
        )
    if asked.stream:
        return web.Response(body=_SUCCESS + b"\n", content_type=wire.LINES_TYPE)
    return web.Response(body=_SUCCESS, content_type="application/json", charset="utf-8")
