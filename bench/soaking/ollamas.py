"""A stand-in for Ollama that says whose it is, and now and then fails in one of the ways that are known."""

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

LINE_S: Final = 0.01
FAULTS: Final = ("breaks off", "says nonsense", "hangs", "refuses", "closes at once")
HANG_S: Final = 3.0


@dataclass
class Ollama:
    """The Ollama of one home.

    Attributes:
        secret: What it puts into every answer.
        fault_share: How many of its answers fail, of 1.
        chance: Where the faults come from.
    """

    secret: str
    fault_share: float
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)

    def application(self) -> web.Application:
        """Return its server."""
        application = web.Application(client_max_size=2**27)
        application.router.add_route("*", "/{path:.*}", self._answer)
        return application

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/api/tags":
            model = {"name": "m:1", "model": "m:1", "digest": "d" * 64, "size": 1, "details": {}, "modified_at": ""}
            return web.json_response({"models": [model]})
        if request.method == "GET":
            return web.json_response({"version": "0.17.4", "models": []})
        asked = await request.json()
        fault = self.chance.choice(FAULTS) if self.chance.random() < self.fault_share else ""
        self.done[fault or "well"] += 1
        if fault == "closes at once":
            self._cut(request)
        if fault == "refuses":
            return web.json_response({"error": "out of memory"}, status=500)
        if asked.get("stream") is False:
            return web.json_response(self._last(asked))
        return await self._stream(request, asked, fault)

    async def _stream(self, request: web.Request, asked: dict[str, Any], fault: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        lines = self.chance.randrange(1, 60)
        for number in range(lines):
            line: dict[str, Any] = {"message": {"content": self.secret}, "done": False}
            await response.write(json.dumps(line).encode() + b"\n")
            if fault == "breaks off" and number == lines // 2:
                self._cut(request)
            if fault == "says nonsense":
                await response.write(b"\x00\xff{]" * self.chance.randrange(1, 20_000) + b"\n")
            await asyncio.sleep(HANG_S if fault == "hangs" and not number else LINE_S)
        await response.write(json.dumps(self._last(asked)).encode() + b"\n")
        return response

    def _last(self, asked: dict[str, Any]) -> dict[str, Any]:
        counts = {
            "eval_count": 9,
            "prompt_eval_count": 3,
            "eval_duration": 90_000_000,
            "prompt_eval_duration": 9_000_000,
        }
        message = {"role": "assistant", "content": self.secret}
        return {"model": asked.get("model"), "message": message, "done": True, "done_reason": "stop", **counts}

    def _cut(self, request: web.Request) -> None:
        if request.transport is not None:
            request.transport.abort()
        raise asyncio.CancelledError
