"""How long those wait whose look failed."""

from hypothesis import given
from hypothesis import strategies as st

from insula.operator.pacing import Backoff, TokenBucket
from insula.operator.queue import KeyedQueue


def test_a_failing_key_waits_longer_each_time_up_to_a_bound() -> None:
    waits = [Backoff(first_s=1, longest_s=8).wait_s(failures) for failures in range(1, 12)]
    for failures, wait_s in enumerate(waits, start=1):
        longest = min(2.0 ** (failures - 1), 8)
        assert longest / 2 <= wait_s <= longest


def test_some_turns_are_had_at_once_and_then_one_after_the_other() -> None:
    bucket = TokenBucket(per_second=10, at_once=3, clock=lambda: 0.0)
    assert [round(bucket.take(), 3) for _ in range(5)] == [0, 0, 0, 0.1, 0.2]


def test_a_quiet_time_gives_no_more_than_the_turns_at_once() -> None:
    now = [0.0]
    bucket = TokenBucket(per_second=10, at_once=2, clock=lambda: now[0])
    now[0] = 3600.0
    assert [bucket.take() for _ in range(2)] == [0, 0]
    assert bucket.take() > 0


@given(st.lists(st.floats(0, 2), max_size=80))
def test_in_no_second_are_there_more_turns_than_both_together(pauses: list[float]) -> None:
    now = 0.0
    bucket = TokenBucket(per_second=5, at_once=4, clock=lambda: now)
    turns = []
    for pause in pauses:
        now += pause
        turns.append(now + bucket.take())
    assert all(sum(start <= turn < start + 1 for turn in turns) <= 4 + 5 + 1 for start in turns)


async def test_a_thousand_homes_that_fail_together_come_back_at_a_pace() -> None:
    queue = KeyedQueue(Backoff(0.01, 0.01), retries=TokenBucket(per_second=20, at_once=100, clock=lambda: 0.0))
    waits = []
    for number in range(1000):
        queue.add(f"home-{number}")
        assert await queue.get() is not None
        waits.append(queue.failed(f"home-{number}"))
    queue.close()
    assert sum(wait_s <= 0.01 for wait_s in waits) == 100
    assert 44 < max(waits) <= 45


async def test_a_change_does_not_bring_a_key_before_its_turn() -> None:
    queue = KeyedQueue(Backoff(60, 60), retries=TokenBucket(per_second=0.5, at_once=1))
    waits = []
    for name in ("alice", "bob"):
        queue.add(name)
        await queue.get()
        queue.add(name)
        waits.append(queue.failed(name))
    queue.close()
    assert waits[0] <= 0.5
    assert waits[1] > 1.5


async def test_what_the_api_server_asked_for_is_waited_for() -> None:
    queue = KeyedQueue(Backoff(0.01, 0.01))
    queue.add("alice")
    await queue.get()
    queue.add("alice")
    assert queue.failed("alice", at_least_s=30, at_most_s=20) == 30
    queue.add("alice")
    assert (queue.depth, queue.delayed, queue.failing) == (0, 1, 1)
    queue.close()
