"""Prompts that wait at the gateway: who goes on, who is told what, and who frees what when they leave."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from gateway_house import FakeOllama, House, a_house

from insula.domain.inference import Inference, Priority
from insula.gateway import admission

CHAT = {"model": "gemma3:270m", "messages": []}
RUNNING, WAITING = "insula_gateway_queue_running", "insula_gateway_queue_waiting"


def value(house: House, metric: str) -> float:
    found = (house.registry.get_sample_value(metric, {"priority": each.value}) for each in Priority)
    return sum(each or 0.0 for each in found)


async def until(house: House, *, running: int, waiting: int) -> None:
    async with asyncio.timeout(5):
        while (value(house, RUNNING), value(house, WAITING)) != (running, waiting):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_prompt_that_waited_is_told_its_place_and_how_long_it_was() -> None:
    ollama = FakeOllama(gate=asyncio.Event())
    async with a_house(ollama) as house:
        first = asyncio.create_task(house.ask("POST", "/api/chat", json=CHAT).__aenter__())
        await until(house, running=1, waiting=0)
        others = []
        for number in (1, 2):
            others.append(asyncio.create_task(house.ask("POST", "/api/chat", json=CHAT).__aenter__()))
            await until(house, running=1, waiting=number)
        assert ollama.gate is not None
        ollama.gate.set()
        assert admission.POSITION_HEADER not in (await first).headers
        answers = [await other for other in others]
        assert [answer.headers[admission.POSITION_HEADER] for answer in answers] == ["1", "2"]
        # Before the first has told what it costs, each is expected to take a second.
        assert [answer.headers[admission.EXPECTED_HEADER] for answer in answers] == ["1.0", "2.0"]
        assert all(float(answer.headers[admission.WAIT_HEADER]) >= 0 for answer in answers)
        for answer in (await first, *answers):
            await answer.read()
        await until(house, running=0, waiting=0)
        lines = await house.logged_soon(3)
        assert all(line["queue_seconds"] >= 0 for line in lines)


async def test_an_ollama_never_computes_more_prompts_than_its_plan_says() -> None:
    class Counting(FakeOllama):
        now = most = 0

        async def handle(self, request):  # type: ignore[no-untyped-def]
            if request.path != "/api/chat":
                return await super().handle(request)
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0.01)
            self.now -= 1
            return await super().handle(request)

    ollama = Counting()
    async with a_house(ollama, inference=Inference(parallel=2)) as house:

        async def ask() -> int:
            async with house.ask("POST", "/api/chat", json=CHAT) as response:
                await response.read()
                return int(response.status)

        assert await asyncio.gather(*(ask() for _ in range(12))) == [200] * 12
        assert ollama.most == 2


async def test_a_client_that_leaves_the_queue_frees_its_place_at_once() -> None:
    ollama = FakeOllama(gate=asyncio.Event())
    async with a_house(ollama) as house:
        first = asyncio.create_task(house.ask("POST", "/api/chat", json=CHAT).__aenter__())
        await until(house, running=1, waiting=0)
        second = asyncio.create_task(house.ask("POST", "/api/chat", json=CHAT).__aenter__())
        await until(house, running=1, waiting=1)
        second.cancel()
        await until(house, running=1, waiting=0)
        assert ollama.gate is not None
        ollama.gate.set()
        await (await first).read()
        await until(house, running=0, waiting=0)
        assert len(ollama.bodies) == 1


async def test_more_than_a_home_may_have_waiting_is_refused_with_a_time_to_come_again() -> None:
    ollama = FakeOllama(gate=asyncio.Event())
    async with a_house(ollama) as house:
        tasks = []
        for number in range(admission.WAITING_OF_TENANT + 1):
            tasks.append(asyncio.create_task(house.ask("POST", "/api/chat", json=CHAT).__aenter__()))
            await until(house, running=1, waiting=number)
        async with house.ask("POST", "/api/chat", json=CHAT) as response:
            assert response.status == 429
            assert int(response.headers["Retry-After"]) >= 1
            assert "wait already" in (await response.json())["error"]
        async with house.ask("POST", "/v1/chat/completions", json=CHAT) as response:
            assert (await response.json())["error"]["type"] == "rate_limit_error"
        for task in tasks[1:]:
            task.cancel()
        (await tasks[0]).close()
        await until(house, running=0, waiting=0)


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"])
async def test_an_answer_that_takes_longer_than_the_plan_allows_ends_with_a_line_that_says_so(path: str) -> None:
    openai = path.startswith("/v1")
    ollama = FakeOllama(gate=asyncio.Event(), content_type="text/event-stream" if openai else "application/x-ndjson")
    async with a_house(ollama, inference=replace(Inference(), answer_s=1)) as house:
        async with house.ask("POST", path, json=CHAT) as response:
            last = (await response.read()).splitlines()[-2 if openai else -1]
        assert b"longer than the home's plan allows" in last
        assert last.startswith(b'data: {"error"' if openai else b'{"error"')
        await asyncio.wait_for(ollama.abandoned.wait(), 5)
        await until(house, running=0, waiting=0)


async def test_an_upload_that_does_not_come_is_not_waited_for() -> None:

    async def never() -> AsyncIterator[bytes]:
        yield b'{"model":'
        await asyncio.sleep(5)

    async with a_house(upload_s=0.05) as house, house.ask("POST", "/api/chat", data=never()) as response:
        assert response.status == 408
        assert house.ollama.bodies == []
