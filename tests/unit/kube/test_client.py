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
from insula.kube.answers import BusyError, ExpiredError
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


async def test_a_server_that_asks_for_much_patience_is_not_waited_for_here() -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response(status=429, headers={"Retry-After": "60"})

    async with serving(handler) as access, Client(access) as client:
        with pytest.raises(BusyError) as caught:
            await client.get(ALICE)
    assert len(asked) == 1
    assert caught.value.retry_after_s == 60


async def test_an_answer_that_is_not_json_is_no_bug_of_ours() -> None:
    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>Please log in</html>")

    async with serving(handler) as access, Client(access) as client:
        with pytest.raises(UnavailableError, match="not JSON"):
            await client.get(ALICE)


async def test_a_write_is_cut_off_when_the_time_for_writing_is_over() -> None:
    async def handler(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.json_response({})

    async with serving(handler) as access, Client(access) as client:
        with pytest.raises(UnavailableError, match="no answer within"):
            await client.fenced(lambda: 0.1).apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}})


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
    def fence() -> float:
        raise InsulaError("not the leader")

    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"metadata": {}})

    async with serving(handler) as access, Client(access) as client:
        fenced = client.fenced(fence)
        assert await fenced.get(ALICE) == {"metadata": {}}
        with pytest.raises(InsulaError, match="not the leader"):
            await fenced.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "insula-alice"}})


async def test_a_write_that_was_held_up_on_its_way_out_is_not_sent() -> None:
    asked: list[str] = []
    done: list[str] = []

    def fence() -> float:
        asked.append("may I?")
        if len(asked) > 1:
            raise InsulaError("not the leader any more")
        return 60.0

    async def handler(request: web.Request) -> web.StreamResponse:
        await request.read()
        done.append(request.path)
        return web.json_response({"metadata": {}})

    async with serving(handler) as access, Client(access) as client:
        with pytest.raises(UnavailableError, match="not the leader any more"):
            await client.fenced(fence).apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}})
    assert done == []


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


async def test_a_watch_that_never_begins_is_given_up_and_opened_anew() -> None:
    opened: list[str] = []
    twice = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            opened.append(request.path)
            if len(opened) == 2:
                twice.set()
            await asyncio.sleep(60)
        return web.json_response({"items": [], "metadata": {"resourceVersion": "1"}})

    async with serving(handler) as access, Client(access) as client, following(client, Cache(), silence_s=0.05):
        await twice.wait()


async def test_a_watch_that_only_ever_ends_is_opened_ever_more_slowly() -> None:
    opened: list[float] = []
    enough = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            opened.append(asyncio.get_running_loop().time())
            if len(opened) == 5:
                enough.set()
            return web.Response()
        return web.json_response({"items": [], "metadata": {"resourceVersion": "1"}})

    async with serving(handler) as access, Client(access) as client, following(client, Cache(), backoff_s=(0.02, 60)):
        await enough.wait()
    assert opened[4] - opened[3] >= 0.02 * 2**3 / 2


async def test_a_watch_waits_as_long_as_a_busy_server_asks() -> None:
    opened: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            opened.append(request.path)
            return web.Response(status=429, headers={"Retry-After": "60"})
        return web.json_response({"items": [], "metadata": {"resourceVersion": "1"}})

    cache = Cache()
    async with serving(handler) as access, Client(access) as client, following(client, cache):
        await cache.synced.wait()
        await asyncio.sleep(0.2)
    assert len(opened) == 1


def dumps_line(value: object) -> str:
    return json.dumps(value) + "\n"


@contextlib.asynccontextmanager
async def following(
    client: Client,
    cache: Cache,
    *,
    optional: bool = False,
    silence_s: float = 60.0,
    backoff_s: tuple[float, float] = (0.01, 0.02),
) -> AsyncIterator[None]:
    watch = Watch(kinds.POD, optional=optional, silence_s=silence_s, backoff_s=backoff_s)
    task = asyncio.create_task(watching.follow(client, watch, cache))
    try:
        async with asyncio.timeout(5):
            yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
