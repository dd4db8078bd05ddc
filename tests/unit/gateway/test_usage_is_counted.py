import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pytest
from gateway_house import ALICE, FakeOllama, a_house

from insula.domain.inference import Inference, Priority
from insula.domain.usage import Account, Amount
from insula.gateway.admission import backend_of
from insula.gateway.metering import Metered, cost
from insula.gateway.prompts import Prompt
from insula.gateway.records import Exchange, Outcome
from insula.gateway.tails import Figures
from insula.gateway.takings import Takings
from insula.gateway.tenants import TenantRoute

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = NOON.date()
CHAT = {"model": "gemma3:270m", "messages": []}
OF_CHAT = Account(ALICE, "alice", DAY, "gemma3:270m", Priority.INTERACTIVE)


def an_exchange(*, first: float | None = None, finished: float | None = None, **more: Any) -> Exchange:
    exchange = Exchange("id", "POST", lambda: 100.0, **more)
    exchange.first_byte, exchange.finished = first, finished
    return exchange


def used_up(seconds: int, day: date = DAY) -> Takings:
    takings = Takings("me")
    takings.confirm(day, {ALICE: seconds * 1_000_000_000})
    return takings


def a_meter(takings: Takings) -> Metered:
    return Metered(takings, lambda: NOON)


@dataclass
class Noting:
    """Lets all go on, and notes in which class."""

    seen: list[Priority] = field(default_factory=list)

    @asynccontextmanager
    async def admit(self, route: TenantRoute, prompt: Prompt, exchange: Exchange) -> AsyncIterator[str]:
        self.seen.append(route.inference.priority)
        yield backend_of(route)


def test_ollamas_own_answer_costs_what_it_says_that_it_computed() -> None:
    told = Figures(prompt_eval_count=1, eval_count=2, prompt_eval_duration=300, eval_duration=400)
    assert cost(an_exchange(finished=50.0), told, openai=False, begun=10.0) == Amount(700, 1, 2, 1)


def test_an_embedding_costs_its_whole_time_but_the_loading() -> None:
    told = Figures(prompt_eval_count=5, total_duration=900, load_duration=200)
    exchange = an_exchange(finished=50.0, endpoint="api_embed")
    assert cost(exchange, told, openai=False, begun=10.0) == Amount(700, 5, 0, 1)


def test_an_embedding_that_tells_nothing_costs_the_time_of_its_turn() -> None:
    exchange = an_exchange(finished=50.0, endpoint="api_embeddings")
    assert cost(exchange, Figures(), openai=False, begun=48.0) == Amount(2_000_000_000, 0, 0, 1)


def test_a_model_that_is_loaded_and_not_asked_costs_nothing() -> None:
    exchange = an_exchange(finished=50.0, endpoint="api_generate")
    assert cost(exchange, Figures(model="m"), openai=False, begun=10.0) == Amount(requests=1)


def test_openais_answer_costs_the_time_of_its_turn() -> None:
    told = Figures(prompt_eval_count=1, eval_count=2)
    assert cost(an_exchange(finished=50.0), told, openai=True, begun=48.0) == Amount(2_000_000_000, 1, 2, 1)


@pytest.mark.parametrize("openai", [True, False])
def test_what_a_client_left_costs_the_time_since_its_first_byte(openai: bool) -> None:
    assert cost(an_exchange(first=97.0), Figures(), openai=openai, begun=10.0) == Amount(3_000_000_000, 0, 0, 1)
    assert cost(an_exchange(), Figures(), openai=openai, begun=10.0) == Amount(0, 0, 0, 1)


def test_what_broke_off_costs_the_time_since_its_first_byte() -> None:
    exchange = an_exchange(first=40.0, finished=50.0, outcome=Outcome.BROKEN_OFF)
    assert cost(exchange, Figures(), openai=False, begun=10.0).gpu_ns == 10_000_000_000


async def test_an_answer_is_counted_for_its_home_its_model_and_its_day() -> None:
    takings = Takings("me")
    async with a_house(meter=a_meter(takings)) as house:
        async with house.ask("POST", "/api/chat", json=CHAT | {"model": "Gemma3:270M"}) as response:
            await response.read()
        await house.logged_soon()
    assert takings.flush().sums == {OF_CHAT: Amount(1_400_000_000, 12, 34, 1)}


async def test_an_answer_that_a_client_leaves_is_counted_too() -> None:
    takings, ollama = Takings("me"), FakeOllama(gate=asyncio.Event())
    async with a_house(ollama, meter=a_meter(takings)) as house:
        async with house.ask("POST", "/api/chat", json=CHAT) as response:
            await response.content.readline()
            response.close()
        await house.logged_soon()
    assert takings.flush().sums[OF_CHAT].requests == 1
    assert takings.flush().sums[OF_CHAT].gpu_ns > 0


async def test_a_refusal_of_ollamas_costs_nothing() -> None:
    takings = Takings("me")
    async with a_house(FakeOllama(status=404, chunks=[b'{"error":"no"}']), meter=a_meter(takings)) as house:
        async with house.ask("POST", "/api/chat", json=CHAT) as response:
            await response.read()
        await house.logged_soon()
    assert takings.flush().sums == {}


@pytest.mark.parametrize(("used", "header"), [(79, None), (80, "80/100"), (99, "99/100")])
async def test_from_four_fifths_on_an_answer_says_how_much_is_gone(used: int, header: str | None) -> None:
    plan = Inference(gpu_seconds_per_day=100)
    async with (
        a_house(meter=a_meter(used_up(used)), inference=plan) as house,
        house.ask("POST", "/api/chat", json=CHAT) as response,
    ):
        assert response.status == 200
        assert response.headers.get("X-Insula-Quota") == header


async def test_a_home_that_has_used_its_day_is_told_when_the_next_one_begins() -> None:
    plan = Inference(gpu_seconds_per_day=100)
    async with a_house(meter=a_meter(used_up(100)), inference=plan) as house:
        async with house.ask("POST", "/api/chat", json=CHAT) as response:
            assert response.status == 429
            assert response.headers["Retry-After"] == str(12 * 3600)
            assert response.headers["X-Insula-Quota"] == "100/100"
            assert "2026-11-26T00:00Z" in (await response.json())["error"]
        async with house.ask("POST", "/v1/chat/completions", json=CHAT) as response:
            assert response.status == 429
            assert (await response.json())["error"]["code"] == "insufficient_quota"
        assert house.ollama.bodies == []


async def test_what_is_not_yet_handed_in_counts_as_used() -> None:
    takings, plan = Takings("me"), Inference(gpu_seconds_per_day=1)
    async with a_house(meter=a_meter(takings), inference=plan) as house:
        statuses = []
        for _ in range(2):
            async with house.ask("POST", "/api/chat", json=CHAT) as response:
                statuses.append(response.status)
                await response.read()
    assert statuses == [200, 429]


async def test_a_new_day_begins_with_nothing_used() -> None:
    plan = Inference(gpu_seconds_per_day=100)
    tomorrow = datetime(2026, 11, 26, 0, 0, 1, tzinfo=UTC)
    async with (
        a_house(meter=Metered(used_up(100), lambda: tomorrow), inference=plan) as house,
        house.ask("POST", "/api/chat", json=CHAT) as response,
    ):
        assert response.status == 200


async def test_a_home_in_overdraft_goes_on_as_batch_and_is_counted_so() -> None:
    admission, takings = Noting(), used_up(100)
    plan = Inference(gpu_seconds_per_day=100, overdraft=True)
    meter = a_meter(takings)
    async with a_house(meter=meter, inference=plan, admission=admission) as house:
        async with house.ask("POST", "/api/chat", json=CHAT) as response:
            assert response.status == 200
            await response.read()
        await house.logged_soon()
    assert admission.seen == [Priority.BATCH]
    assert [account.priority for account in takings.flush().sums] == [Priority.BATCH]


async def test_a_plan_without_a_limit_is_never_at_its_end() -> None:
    async with a_house(meter=a_meter(used_up(10**6))) as house, house.ask("POST", "/api/chat", json=CHAT) as response:
        assert response.status == 200
        assert "X-Insula-Quota" not in response.headers


async def test_lists_are_told_to_a_home_that_has_used_its_day() -> None:
    plan = Inference(gpu_seconds_per_day=100)
    async with a_house(meter=a_meter(used_up(100)), inference=plan) as house, house.ask("GET", "/api/tags") as response:
        assert response.status == 200
