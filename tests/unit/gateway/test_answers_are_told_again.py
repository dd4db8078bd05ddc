"""A prompt whose answer cannot differ is computed once for its tenant; all others are computed."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from gateway_house import ALICE, BOB, FakeOllama, House, a_house, a_namespace, a_slice, serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from insula.domain.inference import Inference

ASKED = {"model": "gemma3:270m", "messages": [{"role": "user", "content": "hello"}], "options": {"temperature": 0}}


@dataclass
class Thinker(FakeOllama):
    """An Ollama whose answer is a function of its secret, its model and what it is asked; it counts its work."""

    secret: str = "alice"
    digest: str = "a" * 64
    version: str = "0.17.4"
    reason: str = "stop"
    worked: int = 0
    pause: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.pause.set()

    def says(self, document: dict[str, Any]) -> str:
        asked = {name: value for name, value in document.items() if name not in {"stream", "keep_alive"}}
        return sha256(json.dumps([self.secret, self.digest, asked]).encode()).hexdigest()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/api/tags":
            return web.json_response({"models": [{"model": "gemma3:270m", "digest": self.digest}]})
        if request.path == "/api/version":
            return web.json_response({"version": self.version})
        document = await request.json()
        self.worked += 1
        self.started.set()
        await self.pause.wait()
        message = {"role": "assistant", "content": self.says(document)}
        last = {"model": "m", "done": True, "done_reason": self.reason, "eval_duration": 1_000_000_000}
        if document.get("stream") is False:
            return web.json_response({**last, "message": message}, status=self.status)
        lines = [{"model": "m", "message": message, "done": False}, last | {"message": {**message, "content": ""}}]
        body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        return web.Response(status=self.status, body=body, content_type="application/x-ndjson")


async def ask(house: House, document: dict[str, Any], **more: Any) -> tuple[str, str, str]:
    """Return the text, what the cache had to do with it, and the type of the answer."""
    async with house.ask("POST", "/api/chat", json=document, **more) as response:
        lines = [json.loads(line) for line in (await response.read()).splitlines()]
        text = "".join(line.get("message", {}).get("content", "") for line in lines)
        return text, response.headers["X-Insula-Cache"], response.content_type


async def test_the_second_answer_is_the_first_ones_and_costs_nothing() -> None:
    thinker = Thinker()
    async with a_house(thinker) as house:
        first, second = [await ask(house, ASKED) for _ in range(2)]
        assert (first[1], second[1]) == ("miss", "hit")
        assert first[0] == second[0] == thinker.says(ASKED)
        assert thinker.worked == 1
        assert house.registry.get_sample_value("insula_gateway_compute_seconds_total") == pytest.approx(1.0)
        lines = await house.logged_soon(2)
        assert [line["cache"] for line in lines] == ["miss", "hit"]
        assert "eval_duration" not in lines[1]
        assert lines[1]["model_digest"] == "a" * 64


async def test_each_gets_the_form_that_it_asks_for() -> None:
    async with a_house(Thinker()) as house:
        streamed = await ask(house, ASKED)
        unary = await ask(house, ASKED | {"stream": False})
        assert (streamed[2], unary[2]) == ("application/x-ndjson", "application/json")
        assert (streamed[0], unary[1]) == (unary[0], "hit")


async def test_a_hit_wakes_no_ollama() -> None:
    async with a_house(Thinker()) as house:
        first = await ask(house, ASKED)
        house.directory.put_slice(a_slice("alice"))
        assert await ask(house, ASKED) == (first[0], "hit", first[2])


async def test_equal_prompts_at_the_same_time_are_computed_once() -> None:
    thinker = Thinker()
    thinker.pause.clear()
    async with a_house(thinker) as house:
        asking = [asyncio.create_task(ask(house, ASKED | {"stream": number % 2 == 0})) for number in range(6)]
        await asyncio.wait_for(thinker.started.wait(), 5)
        thinker.pause.set()
        answers = await asyncio.gather(*asking)
        assert {text for text, _, _ in answers} == {thinker.says(ASKED)}
        assert sorted(result for _, result, _ in answers) == ["hit"] * 5 + ["miss"]
        assert thinker.worked == 1


async def test_when_the_first_of_equals_leaves_another_computes_in_its_place() -> None:
    thinker = Thinker()
    thinker.pause.clear()
    async with a_house(thinker) as house:
        leaving = asyncio.create_task(ask(house, ASKED))
        await asyncio.wait_for(thinker.started.wait(), 5)
        staying = [asyncio.create_task(ask(house, ASKED)) for _ in range(3)]
        await asyncio.sleep(0.1)  # they are waiting for the first one by now
        leaving.cancel()
        thinker.pause.set()
        answers = await asyncio.gather(*staying)
        assert {text for text, _, _ in answers} == {thinker.says(ASKED)}
        assert sorted(result for _, result, _ in answers) == ["hit", "hit", "miss"]


async def test_equals_do_not_wait_one_after_the_other_for_an_answer_that_is_not_kept() -> None:
    thinker = Thinker(reason="length")
    thinker.pause.clear()
    async with a_house(thinker) as house:
        asking = [asyncio.create_task(ask(house, ASKED)) for _ in range(4)]
        await asyncio.wait_for(thinker.started.wait(), 5)
        thinker.pause.set()
        assert {result for _, result, _ in await asyncio.gather(*asking)} == {"miss"}
        assert thinker.worked == 4


@pytest.mark.parametrize("thinker", [Thinker(reason="length"), Thinker(status=500)])
async def test_an_answer_that_is_not_whole_is_computed_again(thinker: Thinker) -> None:
    async with a_house(thinker) as house:
        assert [(await ask(house, ASKED))[1] for _ in range(2)] == ["miss", "miss"]
        assert thinker.worked == 2


async def test_another_model_under_the_same_name_answers_for_itself() -> None:
    now, thinker = 0.0, Thinker()
    async with a_house(thinker, clock=lambda: now) as house:
        await ask(house, ASKED)
        thinker.digest, now = "b" * 64, 10.0
        assert await ask(house, ASKED) == (thinker.says(ASKED), "miss", "application/x-ndjson")


async def test_an_answer_of_a_model_that_was_exchanged_meanwhile_is_not_kept() -> None:
    now, thinker = 0.0, Thinker()
    thinker.pause.clear()
    async with a_house(thinker, clock=lambda: now) as house:
        asking = asyncio.create_task(ask(house, ASKED))
        await asyncio.wait_for(thinker.started.wait(), 5)
        thinker.digest = "b" * 64
        thinker.pause.set()
        await asking
        await house.logged_soon()  # the gateway has judged the answer
        thinker.digest, now = "a" * 64, 10.0
        assert await ask(house, ASKED) == (thinker.says(ASKED), "miss", "application/x-ndjson")


async def test_another_version_of_ollama_answers_for_itself() -> None:
    thinker = Thinker()
    async with a_house(thinker) as house, serving_thinker(Thinker(version="0.18.0")) as port:
        await ask(house, ASKED)
        house.directory.put_slice(a_slice("alice", "127.0.0.1", port=port))
        assert (await ask(house, ASKED))[1] == "miss"


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ({"options": {}}, "bypass (chance)"),
        ({"tools": [{"type": "function"}]}, "bypass (tools)"),
        ({"model": "unknown"}, "bypass (model)"),
        ({"surprise": True}, "bypass (field)"),
    ],
)
async def test_the_answer_says_why_it_was_not_looked_for(change: dict[str, Any], result: str) -> None:
    async with a_house(Thinker()) as house:
        assert [(await ask(house, ASKED | change))[1] for _ in range(2)] == [result, result]
        assert house.ollama.worked == 2  # type: ignore[attr-defined]


async def test_a_plan_without_a_cache_has_every_prompt_computed() -> None:
    thinker = Thinker()
    async with a_house(thinker, inference=Inference(cache=False)) as house:
        assert [(await ask(house, ASKED))[1] for _ in range(2)] == ["bypass (plan)"] * 2
        assert thinker.worked == 2


async def test_what_came_of_each_tenants_prompts_is_counted() -> None:
    async with a_house(Thinker()) as house:
        for _ in range(3):
            await ask(house, ASKED)
        await ask(house, ASKED | {"options": {}})
        (row,) = house.cache.statistics()
        assert row["results"] == {"miss": 1, "hit": 2, "bypass (chance)": 1}
        assert (row["tenant"], row["answers"]) == ("alice", 1)
        assert row["bytes"] == house.registry.get_sample_value("insula_gateway_cache_bytes")


def serving_thinker(thinker: Thinker) -> Any:
    behind = web.Application()
    behind.router.add_route("*", "/{path:.*}", thinker.handle)
    return serving(behind)


PROMPT = st.fixed_dictionaries(
    {
        "model": st.just("gemma3:270m"),
        "messages": st.sampled_from(["hello", "good night", "héllo"]).map(
            lambda text: [{"role": "user", "content": text}]
        ),
        "options": st.sampled_from([{"temperature": 0}, {"seed": 1}, {"seed": 2}, {"temperature": 0.8}, {}]),
    },
    optional={"stream": st.booleans(), "think": st.booleans(), "keep_alive": st.sampled_from([0, -1])},
)
STEP = st.tuples(st.sampled_from(["alice", "bob"]), PROMPT) | st.tuples(st.just("pull"), st.sampled_from("ab"))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(STEP, min_size=1, max_size=5), min_size=1, max_size=4))
def test_nobody_ever_gets_anothers_answer_and_a_hit_is_what_the_model_says(steps: Sequence[Sequence[Any]]) -> None:
    asyncio.run(live_through(steps))


async def live_through(steps: Sequence[Sequence[Any]]) -> None:
    """Let two homes ask, those of one step at the same time, and models be exchanged between steps."""
    now, thinkers = 0.0, {"alice": Thinker(secret="alice"), "bob": Thinker(secret="bob")}
    async with a_house(thinkers["alice"], clock=lambda: now) as house, serving_thinker(thinkers["bob"]) as port:
        house.directory.put_namespace(a_namespace("bob", BOB))
        house.directory.put_slice(a_slice("bob", "127.0.0.1", port=port))
        keys = {"alice": house.signing.tenant_key(ALICE, 1), "bob": house.signing.tenant_key(BOB, 1)}

        async def live(who: str, document: dict[str, Any]) -> None:
            text, _, _ = await ask(house, document, key=keys[who], timeout=aiohttp.ClientTimeout(total=30))
            assert text == thinkers[who].says(document)

        for step in steps:
            await asyncio.gather(*(live(who, what) for who, what in step if who != "pull"))
            for what in (what for who, what in step if who == "pull"):
                thinkers["alice"].digest = what * 64
                now += 10.0
