"""Bodies that are held while their prompts wait: bounded in all and for each home, and free again in the end."""

import asyncio

import pytest
from gateway_house import FakeOllama, House, a_house
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from insula.gateway.errors import BusyError, TooManyError
from insula.gateway.room import Room

CHAT = {"model": "gemma3:270m", "messages": []}


def held(registry: CollectorRegistry) -> float:
    return registry.get_sample_value("insula_gateway_bodies_bytes") or 0.0


async def until_held(house: House, *, nothing: bool) -> None:
    async with asyncio.timeout(5):
        while (held(house.registry) == 0) is not nothing:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def test_one_home_leaves_room_for_the_others() -> None:
    room = Room(CollectorRegistry(), capacity=30, of_tenant=20)
    with room.place("a") as take, room.place("a") as take_more, room.place("b") as take_other:
        take(15)
        with pytest.raises(TooManyError) as refused:
            take_more(6)
        assert refused.value.retry_after_s
        take_more(5)
        take_other(10)
        with pytest.raises(BusyError):
            take_other(1)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.lists(st.integers(0, 40), max_size=5)), max_size=20))
def test_no_more_is_held_than_there_is_room_and_all_is_free_in_the_end(requests: list[tuple[str, list[int]]]) -> None:
    registry = CollectorRegistry()
    room, places = Room(registry, capacity=60, of_tenant=50), []
    for tenant, sizes in requests:
        place = room.place(tenant)
        take = place.__enter__()
        places.append(place)
        for size in sizes:
            try:
                take(size)
            except (TooManyError, BusyError):
                break
            assert held(registry) <= 60
    for place in places:
        place.__exit__(None, None, None)
    assert held(registry) == 0


async def test_a_prompt_that_finds_no_room_is_told_when_to_come_again_and_the_room_comes_back() -> None:
    ollama = FakeOllama(gate=asyncio.Event())
    async with a_house(ollama, room_bytes=100) as house:
        first = asyncio.create_task(house.ask("POST", "/api/chat", json=CHAT).__aenter__())
        await until_held(house, nothing=False)
        async with house.ask("POST", "/api/chat", json=CHAT | {"keep_alive": "x" * 80}) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) >= 1
            assert "no room" in (await response.json())["error"]
        assert ollama.gate is not None
        ollama.gate.set()
        await (await first).read()
        await until_held(house, nothing=True)
        async with house.ask("POST", "/api/chat", json=CHAT) as response:
            assert response.status == 200


async def test_a_client_that_leaves_in_the_middle_of_its_prompt_gives_its_room_back() -> None:
    async with a_house() as house:
        _, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rpartition(":")[2]))
        head = f"POST /api/chat HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.key}\r\nContent-Length: 999\r\n\r\n"
        writer.write(head.encode() + b'{"model":')
        await until_held(house, nothing=False)
        writer.transport.abort()
        await until_held(house, nothing=True)
