"""The way to an Ollama: used again by the next request, and made anew where it had died."""

import asyncio
from dataclasses import dataclass, field

from aiohttp import web
from gateway_house import FakeOllama, House, a_house

CHAT = {"model": "gemma3:270m", "messages": [{"role": "user", "content": "hello"}]}


@dataclass
class Counted(FakeOllama):
    """Notes from where each prompt comes; drops without a word those that come on a connection that was used before.

    `dropping` says how many it drops at most.
    """

    dropping: int = 0
    prompts_from: list[int] = field(default_factory=list)
    used: set[int] = field(default_factory=set)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path != "/api/chat":
            return await super().handle(request)
        assert request.transport is not None
        port = request.transport.get_extra_info("peername")[1]
        self.prompts_from.append(port)
        if port in self.used and self.dropping:
            self.dropping -= 1
            request.transport.abort()
        self.used.add(port)
        return await super().handle(request)


async def status_of_a_prompt(house: House) -> int:
    async with house.ask("POST", "/api/chat", json=CHAT) as response:
        await response.read()
        return int(response.status)


async def test_the_next_prompt_goes_the_way_of_the_last() -> None:
    ollama = Counted()
    async with a_house(ollama) as house:
        assert [await status_of_a_prompt(house) for _ in range(3)] == [200, 200, 200]
        assert ollama.prompts_from[1:] == ollama.prompts_from[:-1]


async def test_a_prompt_that_finds_its_connection_dead_is_answered_all_the_same() -> None:
    ollama = Counted(dropping=1)
    async with a_house(ollama) as house:
        assert [await status_of_a_prompt(house) for _ in range(2)] == [200, 200]
        first, dead, anew = ollama.prompts_from
        assert dead == first
        assert anew != first


async def test_an_ollama_that_drops_every_prompt_is_asked_twice_and_no_more() -> None:
    class Dropping(FakeOllama):
        async def handle(self, request: web.Request) -> web.StreamResponse:
            if request.path == "/api/chat" and request.transport is not None:
                request.transport.abort()
            return await super().handle(request)

    ollama = Dropping()
    async with a_house(ollama) as house:
        assert await status_of_a_prompt(house) == 502
        assert [path for _, path in ollama.asked].count("/api/chat") == 2


async def test_the_connection_of_a_stream_that_its_client_left_is_used_no_more() -> None:
    ollama = Counted(gate=asyncio.Event())
    async with a_house(ollama) as house:
        async with house.ask("POST", "/api/chat", json=CHAT) as response:
            await response.content.readline()
            response.close()
        await asyncio.wait_for(ollama.abandoned.wait(), 5)
        assert ollama.gate is not None
        ollama.gate.set()
        async with house.ask("POST", "/api/chat", json=CHAT) as response:
            assert await response.read() == b"".join(ollama.chunks)
        left, anew = ollama.prompts_from
        assert anew != left
