"""What clients poll is answered from what the gateway knows: awake, asleep, and after the gateway started anew."""

import asyncio
import json
from typing import Any

import pytest
from gateway_house import ALICE, DIGEST, FakeOllama, House, a_house, a_namespace, a_slice

from insula.domain import names
from insula.gateway import telling
from insula.gateway.remembering import ANSWER_TTL_S

PULLED = {names.ANNOTATION_PULLED: json.dumps({"volume": "uid", "models": {"gemma3:270m": f"sha256:{'b' * 64}"}})}


async def get(house: House, path: str) -> tuple[int, Any]:
    async with house.ask("GET", path) as response:
        body = await response.read()
        return response.status, json.loads(body) if body.startswith(b"{") else body.decode()


def fall_asleep(house: House) -> None:
    house.directory.put_slice(a_slice("alice"))


async def asked_soon(ollama: FakeOllama, count: int) -> None:
    async with asyncio.timeout(60):
        while len(ollama.asked) < count:  # noqa: ASYNC110 - a list has no event to wait for
            await asyncio.sleep(0.01)


async def test_polls_within_a_few_seconds_ask_ollama_once() -> None:
    async with a_house() as house:
        for _ in range(5):
            _, said = await get(house, "/api/tags")
            assert said["models"][0]["model"] == "gemma3:270m"
        assert house.ollama.asked == [("GET", "/api/tags")]


async def test_polls_at_the_same_time_ask_ollama_once() -> None:
    async with a_house() as house:
        await asyncio.gather(*(get(house, "/api/tags") for _ in range(5)))
        assert house.ollama.asked == [("GET", "/api/tags")]


async def test_an_older_answer_is_given_at_once_and_a_newer_one_fetched_behind_it() -> None:
    now = 0.0
    async with a_house(clock=lambda: now) as house:
        await get(house, "/api/tags")
        now, house.ollama.models = ANSWER_TTL_S + 1, ("new:latest",)
        assert (await get(house, "/api/tags"))[1]["models"][0]["model"] == "gemma3:270m"
        await asked_soon(house.ollama, 2)
        assert (await get(house, "/api/tags"))[1]["models"][0]["model"] == "new:latest"


async def test_an_ollama_that_hangs_keeps_nobody_waiting_once_its_answer_is_known() -> None:
    now, ollama = 0.0, FakeOllama(chunks=[b"{}"])
    async with a_house(ollama, clock=lambda: now) as house:
        await get(house, "/api/ps")
        now, ollama.gate = 100.0, asyncio.Event()
        for _ in range(3):
            assert await get(house, "/api/ps") == (200, {})
        assert ollama.asked == [("GET", "/api/ps")] * 2  # the second hangs, and nobody asks a third time


async def test_a_sleeper_answers_as_it_did_when_it_was_last_awake() -> None:
    async with a_house() as house:
        awake = await get(house, "/api/tags")
        fall_asleep(house)
        assert await get(house, "/api/tags") == awake
        assert await get(house, "/v1/models/gemma3:270m") == (
            200,
            {"id": "gemma3:270m", "object": "model", "created": 0, "owned_by": "library"},
        )
        assert len(house.ollama.asked) == 1


async def test_a_sleeper_has_nothing_loaded_whatever_it_had_before() -> None:
    async with a_house(FakeOllama(chunks=[b'{"models":[{"model":"gemma3:270m"}]}'])) as house:
        assert (await get(house, "/api/ps"))[1]["models"]
        fall_asleep(house)
        assert await get(house, "/api/ps") == (200, {"models": []})


async def test_what_another_process_had_loaded_is_not_told_of_the_new_one() -> None:
    async with a_house(FakeOllama(chunks=[b'{"models":[{"model":"gemma3:270m"}]}'])) as house:
        await get(house, "/api/ps")
        house.directory.put_slice(a_slice("alice", "127.0.0.1", port=1))
        assert await get(house, "/api/ps") == (200, {"models": []})


async def test_a_gateway_that_never_saw_a_sleeper_awake_tells_what_the_operator_wrote_down() -> None:
    async with a_house() as house:
        fall_asleep(house)
        house.directory.put_namespace(a_namespace("alice", ALICE, annotations=PULLED))
        status, said = await get(house, "/api/tags")
        assert status == 200
        (model,) = said["models"]
        assert (model["model"], model["name"], model["digest"]) == ("gemma3:270m", "gemma3:270m", "b" * 64)
        assert {"size", "modified_at", "details"} <= model.keys()
        assert (await get(house, "/v1/models"))[1]["data"][0]["id"] == "gemma3:270m"
        assert await get(house, "/") == (200, "Ollama is running")
        assert house.ollama.asked == []


async def test_a_model_that_was_pulled_during_the_sleep_is_listed() -> None:
    async with a_house(FakeOllama(models=("old:latest",))) as house:
        await get(house, "/api/tags")
        fall_asleep(house)
        house.directory.put_namespace(a_namespace("alice", ALICE, annotations=PULLED))
        models = (await get(house, "/api/tags"))[1]["models"]
        assert [model["model"] for model in models] == ["old:latest", "gemma3:270m"]


async def test_what_nobody_can_know_of_a_sleeper_is_to_be_asked_again_later() -> None:
    async with a_house() as house:
        fall_asleep(house)
        for path in ("/api/version", "/api/tags", "/v1/models"):
            async with house.ask("GET", path) as response:
                assert response.status == 503
                assert "Retry-After" in response.headers


async def test_one_tenants_models_are_never_told_to_another() -> None:
    async with a_house() as house:
        await get(house, "/api/tags")
        async with house.ask(
            "GET", "/api/tags", key=house.signing.tenant_key("1c6f8a4d-5f1a-4d69-8e4f-2a3b4c5d6e7f", 1)
        ) as response:
            assert response.status == 503


async def test_an_answer_that_is_not_good_is_not_remembered() -> None:
    ollama = FakeOllama(status=500, chunks=[b"{}"])
    async with a_house(ollama) as house:
        for _ in range(2):
            async with house.ask("GET", "/api/ps") as response:
                assert response.status == 500
        assert len(house.ollama.asked) == 2


async def test_the_memory_of_answers_is_bounded() -> None:
    async with a_house(kept_bytes=800) as house:
        for path in ("/api/tags", "/api/version", "/api/tags"):
            async with house.ask("GET", path) as response:
                await response.read()
        assert len(house.ollama.asked) == 3


def test_a_list_that_holds_what_the_volume_holds_is_told_byte_for_byte() -> None:
    last = json.dumps({"models": [{"model": "gemma3:270m", "digest": DIGEST, "size": 5}]}).encode()
    assert telling.tags([("gemma3:270m", f"sha256:{DIGEST}")], last) == last


def test_a_model_that_was_pulled_anew_has_its_new_digest() -> None:
    last = json.dumps({"models": [{"model": "gemma3:270m", "digest": DIGEST}]}).encode()
    assert telling.digests(telling.tags([("gemma3:270m", "sha256:new")], last)) == {"gemma3:270m": "new"}


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"models":5}', '{"models":[{"model":5},7]}', '{"models":null}'])
def test_what_is_no_list_of_models_names_none(text: str) -> None:
    assert telling.digests(text.encode()) == {}


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("gemma3", "gemma3:latest"),
        ("Gemma3:270M", "gemma3:270m"),
        ("library/gemma3:270m", "gemma3:270m"),
        ("registry.ollama.ai/library/gemma3", "gemma3:latest"),
        ("someone/gemma3", "someone/gemma3:latest"),
    ],
)
def test_names_are_compared_as_ollama_does(name: str, full: str) -> None:
    assert telling.full_name(name) == full
