import asyncio
import json
from typing import Any

import pytest
from gateway_house import FakeOllama, House, a_house
from hypothesis import given
from hypothesis import strategies as st

from insula.gateway import paths
from insula.gateway.remembering import ANSWER_TTL_S


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/api/delete"),
        ("POST", "/api/create"),
        ("POST", "/api/copy"),
        ("POST", "/api/push"),
        ("POST", "/api/blobs/sha256:00"),
        ("GET", "/debug/pprof/"),
        ("POST", "/api/me"),
        ("GET", "/api/chat"),
        ("POST", "/api/chat/"),
        ("POST", "/api//chat"),
        ("POST", "/api/%63hat"),
        ("POST", "/x/../api/chat"),
        ("GET", "/v1/models/../../api/tags"),
        ("OPTIONS", "/api/chat"),
        ("PUT", "/"),
    ],
)
async def test_a_path_that_is_not_open_is_refused_with_the_reason(method: str, path: str) -> None:
    async with a_house() as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rpartition(":")[2]))
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.key}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 403")
        writer.close()
        assert house.ollama.asked == []
        assert "not open" in house.logged()[0]["reason"]


@given(st.sampled_from(["GET", "POST", "DELETE", "PUT", "HEAD"]), st.text(max_size=80).map(lambda text: "/" + text))
def test_no_path_outside_the_table_is_open(method: str, path: str) -> None:
    endpoint = paths.find(method, path)
    assert endpoint is None or path == "/" or path.startswith(("/api/", "/v1/"))


def test_one_model_may_be_asked_for_by_name() -> None:
    assert paths.find("GET", "/v1/models/library/gemma3:270m") is not None
    assert paths.find("POST", "/v1/models/gemma3") is None


async def test_a_query_does_not_reach_ollama() -> None:
    async with a_house() as house, house.ask("POST", "/api/chat?x=1&y=../..", json={}) as response:
        assert response.status == 200
        assert house.ollama.asked[0] == ("POST", "/api/chat")


async def test_a_head_request_gets_no_body() -> None:
    async with a_house() as house, house.ask("HEAD", "/api/tags") as response:
        assert response.status == 200
        assert await response.read() == b""


async def pull(house: House, **body: Any) -> tuple[int, str, str]:
    async with house.ask("POST", "/api/pull", json=body) as response:
        return response.status, response.content_type, await response.text()


async def test_a_pull_of_a_model_that_is_there_succeeds_without_asking_ollama_to_pull() -> None:
    async with a_house() as house:
        assert await pull(house, model="gemma3:270m", stream=False) == (
            200,
            "application/json",
            '{"status":"success"}',
        )
        assert ("POST", "/api/pull") not in house.ollama.asked


async def test_a_streamed_pull_ends_with_a_line() -> None:
    async with a_house() as house:
        status, content_type, text = await pull(house, name="gemma3:270m")
        assert (status, content_type, text) == (200, "application/x-ndjson", '{"status":"success"}\n')


async def test_a_model_without_a_tag_means_the_latest() -> None:
    async with a_house(FakeOllama(models=("gemma3:latest",))) as house:
        assert (await pull(house, model="gemma3"))[0] == 200


async def test_a_pull_of_another_model_is_refused_and_says_who_sets_models() -> None:
    async with a_house() as house:
        status, _, text = await pull(house, model="llama3:70b", stream=False)
        assert status == 403
        assert "models are set in the Tenant" in json.loads(text)["error"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"model":5}', b"x" * 70_000])
async def test_a_pull_that_names_no_model_is_a_bad_request(body: bytes) -> None:
    async with a_house() as house, house.ask("POST", "/api/pull", data=body) as response:
        assert response.status == 400


async def test_a_head_request_that_is_forwarded_gets_no_body_either() -> None:
    async with a_house() as house, house.ask("HEAD", "/") as response:
        assert response.status == 200
        assert await response.read() == b""


async def test_a_model_that_has_just_come_is_found_although_the_list_is_remembered() -> None:
    now = 0.0
    ollama = FakeOllama(models=())
    async with a_house(ollama, clock=lambda: now) as house:
        assert (await pull(house, model="gemma3:270m"))[0] == 403
        ollama.models = ("gemma3:270m",)
        now = ANSWER_TTL_S + 1
        assert (await pull(house, model="gemma3:270m"))[0] == 200
