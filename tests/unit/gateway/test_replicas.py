"""Several gateways: one of them gives the turns of a node, and the others send prompts on to it."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from gateway_house import LAST_LINE, FakeOllama, House, a_house
from hypothesis import given
from hypothesis import strategies as st

from insula.domain.manifests import Manifest
from insula.gateway.replicas import AVOIDED_S, HOP_HEADER, Replicas
from insula.services.keys import SigningKeys

CHAT = {"model": "gemma3:270m", "messages": []}
HERE, THERE = "127.0.0.1", "127.0.0.2"


def a_slice(*addresses: str, ready: bool = True, name: str = "insula-gateway-x") -> Manifest:
    endpoints = [{"addresses": [address], "conditions": {"ready": ready}} for address in addresses]
    return {"metadata": {"name": name}, "endpoints": endpoints}


def seen_from(own: str, *addresses: str) -> Replicas:
    replicas = Replicas(own, 11434)
    replicas.replace([a_slice(*addresses)])
    return replicas


ADDRESSES = st.sets(st.integers(1, 250), min_size=1, max_size=8).map(lambda all_: sorted(f"10.0.0.{n}" for n in all_))


@given(addresses=ADDRESSES, group=st.text(max_size=20))
def test_all_replicas_name_the_same_one(addresses: list[str], group: str) -> None:
    named = {address: seen_from(address, *addresses).owner(group) for address in addresses}
    itself = [address for address, owner in named.items() if owner is None]
    assert len(itself) == 1
    assert {owner for owner in named.values() if owner} <= {f"{itself[0]}:11434"}


@given(addresses=ADDRESSES.filter(lambda all_: len(all_) > 1))
def test_when_a_replica_goes_only_its_own_groups_move(addresses: list[str]) -> None:
    gone, *staying = addresses
    for number in range(50):
        group = f"node/n{number}"
        before = seen_from("10.9.9.9", *addresses).owner(group)
        if before != f"{gone}:11434":
            assert seen_from("10.9.9.9", *staying).owner(group) == before


def test_groups_spread_over_the_replicas() -> None:
    replicas = seen_from("10.9.9.9", "10.0.0.1", "10.0.0.2", "10.0.0.3")
    found = Counter(replicas.owner(f"node/n{number}") for number in range(300))
    assert min(found.values()) > 60


def test_a_replica_that_drains_gives_no_turns_and_is_still_known() -> None:
    replicas = seen_from("10.0.0.1", "10.0.0.1", "10.0.0.2")
    replicas.put(a_slice("10.0.0.2", ready=False))
    assert {replicas.owner(f"node/n{number}") for number in range(20)} == {None}
    assert replicas.is_one("::ffff:10.0.0.2")
    replicas.drop(a_slice())
    assert not replicas.is_one("10.0.0.2")


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def two_houses(there: FakeOllama | None = None) -> AsyncIterator[tuple[House, House]]:
    """Two replicas of one gateway; all turns are given there, and each has an Ollama, to see who was asked."""
    signing, port = SigningKeys.generate(), a_free_port()
    views = [Replicas(own, port) for own in (HERE, THERE)]
    for view in views:
        view.put({**a_slice(HERE), "endpoints": [{"addresses": [HERE], "conditions": {"ready": False}}]})
        view.put(a_slice(THERE, name="insula-gateway-y"))
    async with (
        a_house(replicas=views[0], signing=signing, host=HERE) as here,
        a_house(there, replicas=views[1], signing=signing, host=THERE) as far,
    ):
        yield here, far


def hops(house: House, result: str) -> float:
    return house.registry.get_sample_value("insula_gateway_hops_total", {"result": result}) or 0.0


@pytest.mark.parametrize("in_path", [False, True])
async def test_a_prompt_is_answered_by_the_replica_that_gives_the_turns_and_counted_once(*, in_path: bool) -> None:
    async with two_houses() as (here, there):
        path = f"/t/{here.key}/api/chat" if in_path else "/api/chat"
        headers: dict[str, Any] = {"headers": {"Authorization": ""}} if in_path else {}
        async with here.ask("POST", path, json=CHAT, **headers) as response:
            assert response.status == 200
            assert (await response.read()).endswith(b"}\n")
            request_id = response.headers["X-Insula-Request-Id"]
        assert (len(here.ollama.bodies), len(there.ollama.bodies)) == (0, 1)
        assert HOP_HEADER not in there.ollama.headers[0]
        (line,) = await there.logged_soon()
        assert line["request_id"] == request_id
        tokens = "insula_gateway_tokens_total"
        assert there.registry.get_sample_value(tokens, {"kind": "answer"}) == LAST_LINE["eval_count"]
        assert not here.registry.get_sample_value(tokens, {"kind": "answer"})
        assert hops(here, "sent") == 1


async def test_a_replica_that_cannot_be_reached_is_not_waited_for_and_not_tried_again_at_once() -> None:
    now = 1000.0
    view = Replicas(HERE, a_free_port())
    view.put(a_slice(THERE))
    async with a_house(replicas=view, clock=lambda: now) as house:

        async def answers() -> int:
            async with house.ask("POST", "/api/chat", json=CHAT) as response:
                await response.read()
                return int(response.status)

        assert [await answers(), await answers()] == [200, 200]
        assert hops(house, "failed") == 1
        now += AVOIDED_S
        assert await answers() == 200
        assert hops(house, "failed") == 2
        assert len(house.ollama.bodies) == 3


async def test_a_replica_that_is_lost_in_mid_answer_costs_its_own_streams_a_last_line_that_says_so() -> None:
    async with (
        two_houses(FakeOllama(break_off=True)) as (here, _),
        here.ask("POST", "/api/chat", json=CHAT) as response,
    ):
        assert b'{"error": ' in (await response.read()).splitlines()[-1]


async def test_a_client_that_leaves_is_seen_through_the_other_replica() -> None:
    async with two_houses(FakeOllama(gate=asyncio.Event())) as (here, there):
        async with here.ask("POST", "/api/chat", json=CHAT) as response:
            await response.content.readline()
            response.close()
        await asyncio.wait_for(there.ollama.abandoned.wait(), 5)


async def test_a_client_that_calls_itself_a_replica_is_not_believed() -> None:
    view, said = Replicas("10.0.0.1", a_free_port()), {HOP_HEADER: "mine"}
    view.put(a_slice("10.0.0.1"))
    async with a_house(replicas=view) as house, house.ask("POST", "/api/chat", json=CHAT, headers=said) as response:
        await response.read()
        assert response.headers["X-Insula-Request-Id"] != "mine"
