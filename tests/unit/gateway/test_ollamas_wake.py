"""A prompt wakes a sleeping Ollama and keeps it awake; what clients poll does neither."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import ollama
import openai
import pytest
from gateway_house import LAST_LINE, FakeLeases, FakeOllama, House, a_house

from insula.domain.activity import Activity, SleepState
from insula.domain.inference import Inference
from insula.gateway.admission import WAITING_OF_TENANT
from insula.gateway.waking import WAKE_HEADER, Patience

AFTER_S = 400
CHAT = {"model": "gemma3:270m", "messages": [{"role": "user", "content": "hello"}]}
QUICK = Patience(hold_s=0.05, beat_s=0.05, verdict_s=0.2, retry_s=0.05)


@asynccontextmanager
async def a_sleepers_house(
    state: SleepState = SleepState.ASLEEP,
    *,
    idle_s: float = 0,
    after_s: int = AFTER_S,
    behind: FakeOllama | None = None,
    **more: Any,
) -> AsyncIterator[House]:
    """A gateway with a home whose Ollama may sleep; one that is asleep has no backend."""
    leases = FakeLeases()
    async with a_house(behind, leases=leases, inference=Inference(sleep_after_s=after_s), **more) as house:
        house.ready(ready=state is SleepState.AWAKE)
        leases.say(state, idle_s=idle_s)
        yield house


async def wake_up(house: House) -> None:
    """Do what the operator and Kubernetes do when somebody asks."""
    await asyncio.wait_for(house.leases.written.wait(), 5)
    house.leases.say(SleepState.AWAKE)
    house.ready()


async def test_a_prompt_wakes_a_sleeper_and_is_answered() -> None:
    async with a_sleepers_house() as house, asyncio.TaskGroup() as group:
        group.create_task(wake_up(house))
        async with house.ask("POST", "/api/chat", json=CHAT) as response:
            assert response.status == 200
            assert WAKE_HEADER in response.headers
            assert json.loads((await response.read()).splitlines()[-1]) == LAST_LINE
        assert house.leases.states == ["wanted"]
        (line,) = await house.logged_soon()
        assert line["wake_seconds"] >= 0


async def test_the_model_is_loaded_before_the_prompt_goes_on_with_the_options_that_it_will_have() -> None:
    prompt = CHAT | {"options": {"num_ctx": 8192, "temperature": 1}, "keep_alive": "5m"}
    async with a_sleepers_house() as house, asyncio.TaskGroup() as group:
        group.create_task(wake_up(house))
        async with house.ask("POST", "/api/chat", json=prompt) as response:
            await response.read()
        assert [path for _, path in house.ollama.asked] == ["/api/version", "/api/generate", "/api/chat"]
        loading = json.loads(house.ollama.bodies[1])
        assert loading == {"model": "gemma3:270m", "stream": False} | {
            name: prompt[name] for name in ("options", "keep_alive")
        }


async def test_prompts_that_come_together_wake_once() -> None:
    async def ask(house: House) -> int:
        async with house.ask("POST", "/api/chat", json=CHAT) as response:
            await response.read()
            return int(response.status)

    async with a_sleepers_house() as house, asyncio.TaskGroup() as group:
        asking = [group.create_task(ask(house)) for _ in range(8)]
        await wake_up(house)
        assert {await each for each in asking} == {200}
        assert house.leases.states == ["wanted"]
        assert [path for _, path in house.ollama.asked].count("/api/generate") == 1


async def test_a_client_that_leaves_does_not_end_the_wake() -> None:
    async with a_sleepers_house() as house:
        with pytest.raises(TimeoutError):
            async with house.ask("POST", "/api/chat", json=CHAT, timeout=aiohttp.ClientTimeout(total=0.1)):
                pass
        house.leases.say(SleepState.AWAKE)
        house.ready()
        async with asyncio.timeout(5):
            while ("POST", "/api/generate") not in house.ollama.asked:  # noqa: ASYNC110 - the fake has no event for it
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("path", ["/api/tags", "/api/ps", "/api/version", "/v1/models"])
async def test_what_clients_poll_is_no_activity(path: str) -> None:
    async with a_sleepers_house() as house:
        async with house.ask("GET", path):
            pass
        async with house.ask("POST", "/api/show", json={"model": "gemma3:270m"}):
            pass
        assert house.leases.states == []


async def test_a_prompt_after_a_quiet_time_is_written_down_before_it_goes_on() -> None:
    async with (
        a_sleepers_house(SleepState.AWAKE, idle_s=AFTER_S / 2) as house,
        house.ask("POST", "/api/chat", json=CHAT) as response,
    ):
        await response.read()
        assert house.leases.states == ["awake"]
        assert WAKE_HEADER not in response.headers


async def test_a_prompt_soon_after_another_writes_nothing() -> None:
    async with a_sleepers_house(SleepState.AWAKE, idle_s=10) as house:
        for _ in range(3):
            async with house.ask("POST", "/api/chat", json=CHAT) as response:
                await response.read()
        assert house.leases.states == []


async def test_one_that_was_just_put_to_sleep_is_woken_though_its_pod_still_answers() -> None:
    async with (
        a_sleepers_house(SleepState.AWAKE, idle_s=AFTER_S) as house,
        asyncio.TaskGroup() as group,
    ):
        house.leases.say(SleepState.ASLEEP, idle_s=AFTER_S, tell=False)  # the watch has not told yet
        group.create_task(wake_up(house))
        async with house.ask("POST", "/api/chat", json=CHAT) as response:
            await response.read()
            assert response.status == 200
            assert WAKE_HEADER in response.headers
        assert house.leases.states == ["wanted"]


async def test_while_the_api_server_is_away_an_awake_ollama_answers() -> None:
    async with a_sleepers_house(SleepState.AWAKE, idle_s=AFTER_S / 2) as house:
        house.leases.is_away = True
        async with house.ask("POST", "/api/chat", json=CHAT) as response:
            await response.read()
            assert response.status == 200


async def test_the_lease_is_renewed_for_as_long_as_an_answer_takes() -> None:
    behind = FakeOllama(gate=asyncio.Event())
    async with (
        a_sleepers_house(SleepState.AWAKE, after_s=1, behind=behind) as house,
        house.ask("POST", "/api/chat", json=CHAT) as response,
    ):
        async with asyncio.timeout(5):
            while len(house.leases.states) < 4:  # noqa: ASYNC110 - writes have no event each
                await asyncio.sleep(0.01)
        assert behind.gate is not None
        behind.gate.set()
        await response.read()
        assert set(house.leases.states) == {"awake"}
        assert house.leases.lease is not None
        assert Activity.of(house.leases.lease).state is SleepState.AWAKE


async def test_a_stream_shows_signs_of_life_that_the_ollama_client_reads() -> None:
    behind = FakeOllama(chunks=[json.dumps(LAST_LINE).encode() + b"\n"])
    async with (
        a_sleepers_house(patience=QUICK, behind=behind) as house,
        ollama.AsyncClient(host=house.url, headers={"Authorization": f"Bearer {house.key}"}) as client,
    ):
        answer = await asyncio.wait_for(client.chat("gemma3:270m", CHAT["messages"], stream=True), 5)
        first = await asyncio.wait_for(anext(answer), 5)
        assert (first.message.role, first.message.content, first.done) == ("assistant", "", False)
        await wake_up(house)
        rest = [part async for part in answer]
        assert (rest[-1].done, rest[-1].eval_count) == (True, LAST_LINE["eval_count"])


async def test_a_stream_of_generate_shows_signs_of_life_of_its_own_form() -> None:
    behind = FakeOllama(chunks=[b'{"model":"gemma3:270m","response":"hi","done":true}\n'])
    async with (
        a_sleepers_house(patience=QUICK, behind=behind) as house,
        ollama.AsyncClient(host=house.url, headers={"Authorization": f"Bearer {house.key}"}) as client,
    ):
        answer = await client.generate("gemma3:270m", "hello", stream=True)
        first = await asyncio.wait_for(anext(answer), 5)
        assert (first.response, first.done) == ("", False)
        await wake_up(house)
        assert [part.done async for part in answer][-1]


async def test_a_stream_of_openais_form_shows_signs_of_life_that_its_client_passes_over() -> None:
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "gemma3:270m"}
    said = chunk | {"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": None}]}
    behind = FakeOllama(
        chunks=[b"data: " + json.dumps(said).encode() + b"\n\n", b"data: [DONE]\n\n"], content_type="text/event-stream"
    )
    async with (
        a_sleepers_house(patience=QUICK, behind=behind) as house,
        openai.AsyncOpenAI(base_url=f"{house.url}/v1", api_key=house.key) as client,
    ):
        stream = await client.chat.completions.create(
            model="gemma3:270m", messages=[{"role": "user", "content": "hello"}], stream=True
        )
        await wake_up(house)
        assert [part.choices[0].delta.content async for part in stream] == ["hi"]


async def test_an_answer_that_is_not_streamed_waits_as_it_is() -> None:
    async with a_sleepers_house(patience=QUICK) as house, asyncio.TaskGroup() as group:

        async def late() -> None:
            await asyncio.sleep(0.3)
            await wake_up(house)

        group.create_task(late())
        async with house.ask("POST", "/api/chat", json=CHAT | {"stream": False}) as response:
            assert await response.read() == b"".join(house.ollama.chunks)


async def test_what_keeps_an_ollama_from_waking_is_told() -> None:
    async with a_sleepers_house(patience=QUICK) as house:
        house.leases.write(obstacle="Unschedulable: no node takes Ollama")
        async with house.ask("POST", "/api/chat", json=CHAT) as response:
            assert response.status == 503
            assert "Retry-After" in response.headers
            assert "no node takes Ollama" in (await response.json())["error"]


async def test_what_keeps_an_ollama_from_waking_is_told_in_a_stream_that_has_begun() -> None:
    async with a_sleepers_house(patience=QUICK) as house:
        async with house.ask("POST", "/api/chat", json=CHAT) as response:
            await response.content.readline()
            house.leases.write(obstacle="Unschedulable: no node takes Ollama")
            last = (await response.read()).splitlines()[-1]
            assert "no node takes Ollama" in json.loads(last)["error"]
        (line,) = await house.logged_soon()
        assert (line["status"], line["outcome"]) == (503, "refused")


async def test_ollamas_refusal_of_a_prompt_is_told_in_a_stream_that_has_begun() -> None:
    behind = FakeOllama(status=404, chunks=[b'{"error":"model not found"}'])
    async with (
        a_sleepers_house(patience=QUICK, behind=behind) as house,
        house.ask("POST", "/api/chat", json=CHAT) as response,
    ):
        await response.content.readline()
        await wake_up_without_version(house)
        assert "model not found" in json.loads((await response.read()).splitlines()[-1])["error"]


async def wake_up_without_version(house: House) -> None:
    """Wake an Ollama whose every answer is a refusal but the first, by which it shows that it is there."""
    house.ollama.status = 200
    await wake_up(house)
    async with asyncio.timeout(5):
        while not house.ollama.asked:  # noqa: ASYNC110 - the fake has no event for it
            await asyncio.sleep(0.005)
    house.ollama.status = 404


async def test_a_wake_that_takes_too_long_is_503() -> None:
    async with (
        a_sleepers_house(limit_s=0.2) as house,
        house.ask("POST", "/api/chat", json=CHAT | {"stream": False}) as response,
    ):
        assert response.status == 503
        assert "does not wake" in (await response.json())["error"]


async def test_more_prompts_than_may_wait_for_a_wake_are_sent_away() -> None:
    async def ask(house: House) -> int:
        async with house.ask("POST", "/api/chat", json=CHAT) as response:
            await response.read()
            return int(response.status)

    async with a_sleepers_house() as house, asyncio.TaskGroup() as group:
        asking = [group.create_task(ask(house)) for _ in range(WAITING_OF_TENANT + 1)]
        done, _ = await asyncio.wait(asking, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        assert [each.result() for each in done] == [429]
        await wake_up(house)


async def test_one_that_is_stopped_before_its_first_byte_is_asked_once_more_when_it_is_back() -> None:
    behind = FakeOllama(drops=2)  # a kept connection may have died: one that breaks off is tried again at once
    async with a_sleepers_house(SleepState.AWAKE, behind=behind, patience=QUICK) as house, asyncio.TaskGroup() as group:

        async def restart() -> None:
            await asyncio.wait_for(behind.dropped.wait(), 5)
            house.ready(ready=False)
            await asyncio.sleep(0.05)
            house.ready()

        group.create_task(restart())
        async with house.ask("POST", "/api/chat", json=CHAT) as response:
            assert response.status == 200
            assert json.loads((await response.read()).splitlines()[-1]) == LAST_LINE


async def test_one_that_breaks_off_without_being_stopped_is_not_asked_again() -> None:
    behind = FakeOllama(drops=2)  # a kept connection may have died: one that breaks off is tried again at once
    async with a_sleepers_house(SleepState.AWAKE, behind=behind, patience=QUICK) as house:
        async with house.ask("POST", "/api/chat", json=CHAT) as response:
            assert response.status == 502
        assert len(house.ollama.asked) == 2


async def test_the_stages_of_a_wake_are_counted() -> None:
    async with a_sleepers_house() as house, asyncio.TaskGroup() as group:
        group.create_task(wake_up(house))
        async with house.ask("POST", "/api/chat", json=CHAT) as response:
            await response.read()
        await house.logged_soon()
        for stage in ("asked", "scheduled", "started", "reached", "loaded", "first_token", "platform"):
            assert house.registry.get_sample_value("insula_gateway_wake_seconds_count", {"stage": stage}) == 1
