"""Which server and which event loop: the same small proxy on each, on one core, in turn."""

import contextlib
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Final

from api.server import free_port
from bench.common import processes
from bench.common.figures import Figure
from bench.doors import programs, ways
from bench.doors.ways import Way, World

ROOT: Final = Path(__file__).parents[2]
_ASGI: Final = "bench.doors.minimal.asgi:app"
_AIOHTTP: Final = ("python", "-m", "bench.doors.minimal.on_aiohttp")
_UVICORN: Final = ("uvicorn", _ASGI, "--no-access-log", "--log-level", "warning", "--lifespan", "off", "--http")
_GRANIAN: Final = ("granian", "--interface", "asginl", "--no-ws", "--http", "1", "--workers", "1")
# What is started; PORT stands for the port.
SERVERS: Final[Mapping[str, tuple[str, ...]]] = {
    "aiohttp_asyncio": (*_AIOHTTP, "PORT", "asyncio"),
    "aiohttp_uvloop": (*_AIOHTTP, "PORT", "uvloop"),
    "uvicorn_h11_asyncio": (*_UVICORN, "h11", "--loop", "asyncio", "--port", "PORT"),
    "uvicorn_asyncio": (*_UVICORN, "httptools", "--loop", "asyncio", "--port", "PORT"),
    "uvicorn_uvloop": (*_UVICORN, "httptools", "--loop", "uvloop", "--port", "PORT"),
    "granian_asyncio": (*_GRANIAN, "--loop", "asyncio", "--port", "PORT", "--log-level", "warning", _ASGI),
    "granian_uvloop": (*_GRANIAN, "--loop", "uvloop", "--port", "PORT", "--log-level", "warning", _ASGI),
}


async def measure(world: World, *, rounds: int, seconds: float) -> list[Figure]:
    """Return µs of processor time for a unary request and for a stream, for each server."""
    unary: dict[str, list[float]] = {name: [] for name in SERVERS}
    stream: dict[str, list[float]] = {name: [] for name in SERVERS}
    for _ in range(rounds):
        for name in SERVERS:
            async with _opened(world, name) as way:
                await world.ask(way, "unary", "-count", "8", "-seconds", "0.3")
                unary[name].append(await world.cost_us(way, "unary", "-count", "64", "-seconds", str(seconds)))
                words = ("-count", "32", "-seconds", str(seconds), "-spread", "1")
                stream[name].append(await world.cost_us(way, "stream", *words))
    return list(_figures(unary, stream))


def _figures(unary: Mapping[str, list[float]], stream: Mapping[str, list[float]]) -> Iterator[Figure]:
    for name in SERVERS:
        yield Figure(f"server_{name}_unary_us", unary[name], "µs")
        yield Figure(f"server_{name}_stream_us", stream[name], "µs")


@contextlib.asynccontextmanager
async def _opened(world: World, name: str) -> AsyncIterator[Way]:
    bin_ = await programs.environment("servers", programs.SERVERS)
    port, straight = free_port(), world.ways[ways.STRAIGHT]
    program, *words = [word.replace("PORT", str(port)) for word in SERVERS[name]]
    ollama = straight.url.removesuffix("/api/chat")
    environment = {"BENCH_OLLAMA": ollama, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    log = world.directory / f"{name}.log"
    command: list[str | Path] = [bin_ / program, *words]
    async with processes.running(command, log, core=ways.DOOR_CORE, environment=environment) as process:
        way = Way(name, f"http://127.0.0.1:{port}/api/chat", straight.bodies, pid=process.pid)
        await ways.until_it_answers(way)
        yield way
