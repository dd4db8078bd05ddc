"""Who is looked at, and when."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insula.operator.pacing import Backoff
from insula.operator.queue import KeyedQueue

QUICK = Backoff(first_s=0.02, longest_s=0.04)


async def taken(queue: KeyedQueue) -> str | None:
    return await asyncio.wait_for(queue.get(), 1)


async def nothing_comes(queue: KeyedQueue, within_s: float = 0.03) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), within_s)


async def test_a_key_waits_at_most_once() -> None:
    queue = KeyedQueue()
    for _ in range(3):
        queue.add("alice")
    assert queue.depth == 1
    assert await taken(queue) == "alice"
    await nothing_comes(queue)


async def test_keys_come_in_the_order_of_their_waiting() -> None:
    queue = KeyedQueue()
    for name in ("alice", "bob", "alice", "carol"):
        queue.add(name)
    assert [await taken(queue) for _ in range(3)] == ["alice", "bob", "carol"]


async def test_no_two_workers_have_the_same_key() -> None:
    queue = KeyedQueue()
    queue.add("alice")
    await taken(queue)
    queue.add("alice")
    await nothing_comes(queue)
    queue.done("alice")
    assert await taken(queue) == "alice"


async def test_a_failed_key_comes_back_by_itself() -> None:
    queue = KeyedQueue(QUICK)
    queue.add("alice")
    await taken(queue)
    assert 0 < queue.failed("alice") <= 0.02
    assert queue.depth == 0
    assert await taken(queue) == "alice"


async def test_what_passes_by_itself_is_waited_for_no_longer_than_told() -> None:
    queue = KeyedQueue(Backoff(first_s=60, longest_s=60))
    queue.add("alice")
    await taken(queue)
    assert queue.failed("alice", at_most_s=0.01) == 0.01
    assert await taken(queue) == "alice"


async def test_a_success_forgets_the_failures() -> None:
    queue = KeyedQueue(Backoff(first_s=0.01, longest_s=60))
    for _ in range(3):
        queue.add("alice")
        await taken(queue)
        queue.failed("alice")
    await taken(queue)
    queue.done("alice")
    queue.add("alice")
    await taken(queue)
    assert queue.failed("alice") <= 0.01


async def test_a_change_brings_a_failing_key_forward_but_not_at_once() -> None:
    queue = KeyedQueue(Backoff(first_s=60, longest_s=60))
    queue.add("alice")
    await taken(queue)
    queue.failed("alice")
    queue.add("alice")
    await nothing_comes(queue)
    assert await taken(queue) == "alice"


async def test_a_change_during_a_failing_look_is_not_slept_through() -> None:
    queue = KeyedQueue(Backoff(first_s=60, longest_s=60))
    queue.add("alice")
    await taken(queue)
    queue.add("alice")
    assert queue.failed("alice") <= 0.5
    assert await taken(queue) == "alice"


async def test_one_failing_key_delays_no_other() -> None:
    queue = KeyedQueue(Backoff(first_s=60, longest_s=60))
    queue.add("broken")
    await taken(queue)
    queue.failed("broken")
    queue.add("alice")
    assert await taken(queue) == "alice"


async def test_a_later_look_is_due_in_its_time() -> None:
    queue = KeyedQueue()
    queue.add_after("alice", 0.02)
    assert (queue.depth, queue.delayed) == (0, 1)
    assert await taken(queue) == "alice"
    assert queue.delayed == 0


async def test_of_two_later_looks_the_earlier_counts() -> None:
    queue = KeyedQueue()
    queue.add_after("alice", 0.02)
    queue.add_after("alice", 60)
    assert await taken(queue) == "alice"
    queue.done("alice")
    queue.add_after("alice", 60)
    queue.add_after("alice", 0.02)
    assert await taken(queue) == "alice"


async def test_a_look_now_makes_the_later_one_needless() -> None:
    queue = KeyedQueue()
    queue.add_after("alice", 60)
    queue.add("alice")
    assert queue.delayed == 0


async def test_a_look_that_falls_due_while_one_is_under_way_follows_it() -> None:
    queue = KeyedQueue()
    queue.add("alice")
    await taken(queue)
    queue.add_after("alice", 0.01)
    await nothing_comes(queue)
    queue.done("alice")
    assert await taken(queue) == "alice"


async def test_a_queue_that_moves_is_not_stalled() -> None:
    now = [0.0]
    queue = KeyedQueue(clock=lambda: now[0])
    queue.add("alice")
    queue.add("bob")
    await taken(queue)
    now[0] = 50.0
    assert queue.stalled_s() == 50.0
    queue.done("alice")
    assert queue.stalled_s() == 0.0
    assert queue.oldest_s() == 50.0


async def test_an_empty_queue_is_not_stalled_however_long() -> None:
    now = [0.0]
    queue = KeyedQueue(clock=lambda: now[0])
    now[0] = 9999.0
    assert queue.stalled_s() == 0.0


async def test_a_closed_queue_hands_out_nothing() -> None:
    queue = KeyedQueue()
    queue.add("alice")
    waiting = [asyncio.create_task(queue.get()) for _ in range(3)]
    queue.close()
    assert await asyncio.gather(*waiting) == [None, None, None]


@given(st.lists(st.sampled_from(["add a", "add b", "take", "done", "fail"]), max_size=60))
async def test_no_key_is_lost_and_none_is_had_twice(steps: list[str]) -> None:
    queue = KeyedQueue(Backoff(first_s=60, longest_s=60))
    held: list[str] = []
    for step in steps:
        if step.startswith("add"):
            queue.add(step[-1])
        elif step == "take" and queue.depth:
            key = await taken(queue)
            assert key is not None
            assert key not in held
            held.append(key)
        elif step == "done" and held:
            queue.done(held.pop(0))
        elif step == "fail" and held:
            queue.failed(held.pop(0))
    assert queue.active == len(held)
    assert queue.depth <= 2
    assert queue.delayed <= 2
    queue.close()
