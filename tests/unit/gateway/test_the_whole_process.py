"""`insula gateway` as a whole, against an API server that lists and watches: start, serve, drain."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from gateway_house import ALICE, FakeOllama, a_namespace, a_slice, serving

from insula.domain.manifests import Manifest
from insula.gateway.keyring import Keyring
from insula.gateway.main import Settings, serve
from insula.kube.config import Access
from insula.services.keys import SigningKeys

ITEMS = web.AppKey("items", dict[str, list[Manifest]])


async def list_or_watch(request: web.Request) -> web.StreamResponse:
    kind = request.path.rpartition("/")[2]
    if request.query.get("watch"):
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(60)
        return response
    items = request.app[ITEMS][kind]
    for item in items:
        item["metadata"]["resourceVersion"] = "5"
    return web.json_response({"metadata": {"resourceVersion": "5"}, "items": items})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def an_ollama(ollama: FakeOllama) -> AsyncIterator[int]:
    behind = web.Application()
    behind.router.add_route("*", "/{path:.*}", ollama.handle)
    async with serving(behind) as port:
        yield port


@asynccontextmanager
async def an_api_server(ollama_port: int) -> AsyncIterator[int]:
    api = web.Application()
    items = {"namespaces": [a_namespace("alice", ALICE)]}
    items["endpointslices"] = [a_slice("alice", "127.0.0.1", port=ollama_port)]
    api[ITEMS] = items
    api.router.add_get("/api/v1/namespaces", list_or_watch)
    api.router.add_get("/apis/discovery.k8s.io/v1/endpointslices", list_or_watch)
    async with serving(api) as api_port:
        yield api_port


@asynccontextmanager
async def a_cluster(ollama: FakeOllama) -> AsyncIterator[int]:
    async with an_ollama(ollama) as ollama_port, an_api_server(ollama_port) as api_port:
        yield api_port


async def ready(client: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                async with client.get(url) as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientConnectorError:
                pass
            await asyncio.sleep(0.05)


async def test_it_starts_serves_and_lets_a_running_answer_end_before_it_goes(tmp_path: Path) -> None:
    signing, keys, ollama = SigningKeys.generate(), tmp_path / "keys.json", FakeOllama(gate=asyncio.Event())
    keys.write_text(signing.verify_keys_json())
    settings = Settings("127.0.0.1", free_port(), free_port(), keys, drain_delay_s=0.1, drain_s=5.0)
    admin = f"http://127.0.0.1:{settings.admin_port}"
    headers = {"Authorization": f"Bearer {signing.tenant_key(ALICE, 1)}"}
    async with a_cluster(ollama) as api_port, aiohttp.ClientSession(headers=headers) as client:
        process = asyncio.create_task(serve(settings, Access(f"http://127.0.0.1:{api_port}")))
        await ready(client, f"{admin}/readyz")
        async with client.post(f"http://127.0.0.1:{settings.port}/api/chat", json={}) as response:
            await response.content.readline()
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0.05)
            async with client.get(f"{admin}/readyz") as health:
                assert health.status == 503
                assert "shutting down" in await health.text()
            async with client.get(f"{admin}/metrics") as metrics:
                assert "insula_gateway_requests_in_flight 1.0" in await metrics.text()
            await asyncio.sleep(0.2)
            assert not process.done()
            assert ollama.gate is not None
            ollama.gate.set()
            assert (await response.read()) == ollama.chunks[1]
        await asyncio.wait_for(process, 10)


async def test_it_serves_awake_homes_while_the_api_server_is_away(tmp_path: Path) -> None:
    signing, keys, ollama = SigningKeys.generate(), tmp_path / "keys.json", FakeOllama()
    keys.write_text(signing.verify_keys_json())
    settings = Settings("127.0.0.1", free_port(), free_port(), keys, drain_delay_s=0.1, drain_s=5.0)
    headers = {"Authorization": f"Bearer {signing.tenant_key(ALICE, 1)}"}
    async with aiohttp.ClientSession(headers=headers) as client, an_ollama(ollama) as ollama_port:
        async with an_api_server(ollama_port) as api_port:
            process = asyncio.create_task(serve(settings, Access(f"http://127.0.0.1:{api_port}")))
            await ready(client, f"http://127.0.0.1:{settings.admin_port}/readyz")
        for _ in range(2):  # the API server is gone
            async with client.post(f"http://127.0.0.1:{settings.port}/api/chat", json={}) as response:
                assert response.status == 200
                assert await response.read() == b"".join(ollama.chunks)
        await ready(client, f"http://127.0.0.1:{settings.admin_port}/readyz")
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(process, 10)


def test_keys_are_read_again_when_the_file_changes(tmp_path: Path) -> None:
    first = SigningKeys.generate()
    second = first.rotate().rotate()
    path = tmp_path / "keys.json"
    keyring = Keyring(path)
    keyring.refresh()
    assert not keyring.loaded
    path.write_text(first.verify_keys_json())
    keyring.refresh()
    assert keyring.verify(first.tenant_key(ALICE, 1)).tenant_id == ALICE
    path.write_text(second.verify_keys_json())
    keyring.refresh()
    assert keyring.verify(second.tenant_key(ALICE, 1)).tenant_id == ALICE
    with pytest.raises(Exception, match="signer"):
        keyring.verify(first.tenant_key(ALICE, 1))


def test_a_file_that_turns_senseless_leaves_the_keys_in_force(tmp_path: Path) -> None:
    signing, path = SigningKeys.generate(), tmp_path / "keys.json"
    path.write_text(signing.verify_keys_json())
    keyring = Keyring(path)
    keyring.refresh()
    path.write_text(json.dumps({"x": 1}))
    keyring.refresh()
    assert keyring.verify(signing.tenant_key(ALICE, 1)).tenant_id == ALICE
