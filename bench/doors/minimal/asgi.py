"""The proxy as an ASGI application, for uvicorn and granian."""

from typing import Any

import aiohttp

from bench.doors.minimal.forwarding import HEADERS, OLLAMA, open_session

_sessions: list[aiohttp.ClientSession] = []


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    if not _sessions:
        _sessions.append(open_session())
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    async with _sessions[0].post(OLLAMA + scope["path"], data=body, headers=HEADERS) as upstream:
        content_type = upstream.headers["Content-Type"].encode()
        await send(
            {"type": "http.response.start", "status": upstream.status, "headers": [(b"content-type", content_type)]}
        )
        async for chunk in upstream.content.iter_any():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
