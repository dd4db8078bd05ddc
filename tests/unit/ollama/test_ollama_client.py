"""What is asked of an Ollama."""

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from insula.domain.errors import UnavailableError
from insula.ollama.client import open_ollama


async def an_ollama(status: int, said: list[dict[str, Any]]) -> TestServer:
    async def generate(request: web.Request) -> web.Response:
        said.append(await request.json())
        return web.json_response({"done_reason": "load"}, status=status)

    app = web.Application()
    app.router.add_post("/api/generate", generate)
    server = TestServer(app)
    await server.start_server()
    return server


async def test_a_model_is_loaded_for_good_and_for_the_conversations_to_come() -> None:
    said: list[dict[str, Any]] = []
    server = await an_ollama(200, said)
    async with open_ollama(str(server.make_url("/"))) as ollama:
        await ollama.load("gemma3:270m", 2048)
    await server.close()
    assert said == [{"model": "gemma3:270m", "keep_alive": -1, "options": {"num_ctx": 2048}, "stream": False}]


async def test_an_ollama_that_sleeps_is_out_of_reach_not_refusing() -> None:
    server = await an_ollama(503, [])
    async with open_ollama(str(server.make_url("/"))) as ollama:
        with pytest.raises(UnavailableError, match="503"):
            await ollama.load("gemma3:270m", 2048)
    await server.close()
