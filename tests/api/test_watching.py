"""Watches that outlive what happens to them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus

from api.proxy import EXPIRED, PASS, Call, Fate, Proxy
from api.server import ApiServer, eventually
from insula.domain.manifests import Manifest, ObjectRef
from insula.kube import kinds, watching
from insula.kube.caches import Cache, slim
from insula.kube.client import Client
from insula.kube.watching import Watch

Name = Callable[[str], str]


class Followed:
    """A cache of the ConfigMaps with one label, and how it lost its connections."""

    def __init__(self) -> None:
        self.lost: list[str] = []
        self.cache = Cache(index=lambda _: "", lost=self.lost.append)

    def data(self, name: str) -> dict[str, str] | None:
        held = self.cache.get(name, "default")
        return None if held is None else held["data"]


@contextlib.asynccontextmanager
async def following(client: Client, label: str, *, silence_s: float = 60.0) -> AsyncIterator[Followed]:
    followed = Followed()
    watch = Watch(
        kinds.CONFIG_MAP, selector=f"watched={label}", transform=slim, silence_s=silence_s, backoff_s=(0.05, 0.2)
    )
    task = asyncio.create_task(watching.follow(client, watch, followed.cache))
    try:
        await asyncio.wait_for(followed.cache.synced.wait(), 10)
        yield followed
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def a_config_map(name: str, label: str, **data: str) -> Manifest:
    metadata = {"name": name, "namespace": "default", "labels": {"watched": label}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


async def seen(condition: Callable[[], bool]) -> None:
    async def attempt() -> bool:
        return condition()

    await eventually(attempt)


async def test_a_cache_sees_what_comes_changes_and_goes(client: Client, a_name: Name) -> None:
    name = a_name("seen")
    async with following(client, name) as followed:
        await client.apply(a_config_map(name, name, step="1"))
        await seen(lambda: followed.data(name) == {"step": "1"})
        await client.apply(a_config_map(name, name, step="2"))
        await seen(lambda: followed.data(name) == {"step": "2"})
        await client.delete(ObjectRef("v1", "ConfigMap", "default", name))
        await seen(lambda: followed.data(name) is None)
    assert followed.lost == []


async def test_a_cache_keeps_no_managed_fields(client: Client, a_name: Name) -> None:
    name = a_name("slim")
    await client.apply(a_config_map(name, name, step="1"))
    async with following(client, name) as followed:
        held = followed.cache.get(name, "default")
    assert held is not None
    assert "managedFields" not in held["metadata"]


async def test_a_watch_that_falls_silent_is_connected_anew_and_misses_nothing(client: Client, a_name: Name) -> None:
    name = a_name("silent")
    async with following(client, name, silence_s=0.2) as followed:
        await seen(lambda: "silent" in followed.lost)
        await client.apply(a_config_map(name, name, step="1"))
        await seen(lambda: followed.data(name) == {"step": "1"})


async def test_a_watch_goes_on_after_the_server_restarts(server: ApiServer, client: Client, a_name: Name) -> None:
    name = a_name("restart")
    await client.apply(a_config_map(name, name, step="1"))
    doomed = a_name("doomed")
    await client.apply(a_config_map(doomed, name, step="1"))
    async with following(client, name) as followed:
        server.stop_api()
        await seen(lambda: "failed" in followed.lost)
        await server.start_api()
        await client.apply(a_config_map(name, name, step="2"))
        await client.delete(ObjectRef("v1", "ConfigMap", "default", doomed))
        await seen(lambda: followed.data(name) == {"step": "2"} and followed.data(doomed) is None)


async def test_a_watch_lists_again_when_the_server_no_longer_keeps_its_past(
    server: ApiServer, client: Client, a_name: Name
) -> None:
    name = a_name("expired")
    await client.apply(a_config_map(name, name, step="1"))
    between, doomed = Proxy(server.access), a_name("doomed")
    await client.apply(a_config_map(doomed, name, step="1"))
    watches: list[Call] = []

    def script(call: Call) -> Fate:
        watches.extend([call] if call.is_watch else [])
        return EXPIRED if call.is_watch and len(watches) == 2 else PASS

    between.script = script
    async with between.serving() as access, Client(access) as through, following(through, name) as followed:
        await seen(lambda: len(watches) == 1)
        between.drop_watches()
        await client.delete(ObjectRef("v1", "ConfigMap", "default", doomed))
        await seen(lambda: followed.data(doomed) is None)
        assert followed.lost == ["failed", "expired"]
        assert followed.data(name) == {"step": "1"}
        assert sum(not call.is_watch for call in between.calls) == 2


async def test_a_watch_that_stands_still_is_opened_anew_and_misses_nothing(
    server: ApiServer, client: Client, a_name: Name
) -> None:
    name, between = a_name("still"), Proxy(server.access)
    async with (
        between.serving() as access,
        Client(access) as through,
        following(through, name, silence_s=0.3) as followed,
    ):
        await seen(lambda: any(call.status == HTTPStatus.OK for call in between.calls if call.is_watch))
        between.flowing.clear()
        await client.apply(a_config_map(name, name, step="1"))
        await seen(lambda: "silent" in followed.lost)
        assert followed.data(name) is None
        between.flowing.set()
        await seen(lambda: followed.data(name) == {"step": "1"})
