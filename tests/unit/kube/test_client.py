"""The client against a small HTTP server that misbehaves on purpose."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from insula.domain.errors import InsulaError, UnavailableError
from insula.domain.manifests import Manifest, ObjectRef
from insula.kube import kinds, watching
from insula.kube.answers import ExpiredError
from insula.kube.caches import Cache
from insula.kube.client import Client
from insula.kube.config import Access
from insula.kube.watching import Watch

ALICE = ObjectRef("v1", "Namespace", "", "insula-alice")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Access]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield Access(server=f"http://127.0.0.1:{runner.addresses[0][1]}", token="t0ken")
    finally:
        await runner.cleanup()


async def test_a_busy_server_is_asked_again_when_it_said() -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers["Authorization"])
        if len(asked) == 1:
            return web.Response(status=429, headers={"Retry-After": "0"})
        return web.json_response({"metadata": {"name": "insula-alice"}})

    async with serving(handler) as access, Client(access) as client:
        assert (await client.get(ALICE))["metadata"]["name"] == "insula-alice"
    assert asked == ["Bearer t0ken", "Bearer t0ken"]


async def test_a_server_that_stays_busy_is_left_alone_after_a_few_times() -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response(status=503, headers={"Retry-After": "0"})

    async with serving(handler) as access, Client(access) as client:
        with pytest.raises(UnavailableError):
            await client.get(ALICE)
    assert len(asked) == 4


async def test_a_server_that_is_not_there_is_unavailable_with_its_address() -> None:
    async with Client(Access(server="http://127.0.0.1:1")) as client:
        with pytest.raises(UnavailableError) as caught:
            await client.get(ALICE)
    assert "http://127.0.0.1:1" in caught.value.remedy


async def test_calls_are_counted_with_their_status() -> None:
    counted: list[tuple[str, str, int]] = []

    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"message": "no"}, status=404)

    def meter(verb: str, resource: str, status: int, _seconds: float) -> None:
        counted.append((verb, resource, status))

    async with serving(handler) as access, Client(access, meter=meter) as client:
        assert await client.find(ALICE) is None
    assert counted == [("get", "namespaces", 404)]


async def test_a_fence_stops_writes_and_lets_reads_pass() -> None:
    def fence() -> None:
        raise InsulaError("not the leader")

    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"metadata": {}})

    async with serving(handler) as access, Client(access) as client:
        fenced = client.fenced(fence)
        assert await fenced.get(ALICE) == {"metadata": {}}
        with pytest.raises(InsulaError, match="not the leader"):
            await fenced.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "insula-alice"}})


async def test_pages_that_took_too_long_are_told_as_expired() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if "continue" in request.query:
            return web.json_response({"message": "too old"}, status=410)
        return web.json_response({"items": [], "metadata": {"continue": "more", "resourceVersion": "5"}})

    async with serving(handler) as access, Client(access) as client:
        with pytest.raises(ExpiredError):
            await client.list(kinds.POD)


async def test_an_optional_kind_that_is_not_installed_counts_as_none() -> None:
    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"message": "the server could not find the requested resource"}, status=404)

    cache = Cache()
    async with serving(handler) as access, Client(access) as client, following(client, cache, optional=True):
        await cache.synced.wait()
    assert len(cache) == 0


async def test_an_error_inside_of_a_watch_lists_again() -> None:
    lists: list[str] = []
    twice = asyncio.Event()
    gone: Manifest = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}

    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return web.json_response(gone, headers={"Connection": "close"}, dumps=dumps_line)
        lists.append(request.path)
        if len(lists) == 2:
            twice.set()
        return web.json_response({"items": [], "metadata": {"resourceVersion": str(len(lists))}})

    lost: list[str] = []
    cache = Cache(lost=lost.append)
    async with serving(handler) as access, Client(access) as client, following(client, cache):
        await twice.wait()
    assert lost[0] == "expired"


def dumps_line(value: object) -> str:
    return json.dumps(value) + "\n"


@contextlib.asynccontextmanager
async def following(client: Client, cache: Cache, *, optional: bool = False) -> AsyncIterator[None]:
    watch = Watch(kinds.POD, optional=optional, backoff_s=(0.01, 0.02))
    task = asyncio.create_task(watching.follow(client, watch, cache))
    try:
        async with asyncio.timeout(5):
            yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
