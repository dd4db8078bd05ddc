"""What fails for one home is that home's affair alone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from insula.domain.errors import ConflictError, RefusedError, UnavailableError
from insula.kube.answers import BusyError
from insula.kube.leases import LeaseLostError
from insula.operator.pacing import Backoff
from insula.operator.queue import KeyedQueue
from insula.operator.workers import work


class Homes:
    """Homes that answer a look as they were told to."""

    def __init__(self, outcomes: dict[str, BaseException | float | None]) -> None:
        self.outcomes = outcomes
        self.looks: list[str] = []
        self.looked = asyncio.Condition()
        self.results: list[str] = []

    async def reconcile(self, name: str) -> float | None:
        await self.look(name)
        outcome = self.outcomes.get(name)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def look(self, name: str) -> None:
        async with self.looked:
            self.looks.append(name)
            self.looked.notify_all()

    def tally(self, result: str, _seconds: float) -> None:
        self.results.append(result)


@contextlib.asynccontextmanager
async def working(homes: Homes, *, workers: int = 2, timeout_s: float = 5.0) -> AsyncIterator[KeyedQueue]:
    queue = KeyedQueue(Backoff(first_s=0.01, longest_s=0.02))
    tasks = [
        asyncio.create_task(work(queue, homes.reconcile, homes.tally, timeout_s=timeout_s)) for _ in range(workers)
    ]
    try:
        async with asyncio.timeout(5):
            yield queue
    finally:
        queue.close()
        await asyncio.gather(*tasks, return_exceptions=True)


async def looks(homes: Homes, name: str, times: int) -> None:
    async with homes.looked:
        await homes.looked.wait_for(lambda: homes.looks.count(name) >= times)


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (ConflictError("x"), "conflict"),
        (UnavailableError("x"), "unavailable"),
        (RefusedError("x"), "refused"),
        (KeyError("a bug"), "bug"),
    ],
)
async def test_a_broken_home_is_tried_again_and_the_others_go_on(error: Exception, result: str) -> None:
    homes = Homes({"broken": error})
    with capture_logs():
        async with working(homes) as queue:
            queue.add("broken")
            queue.add("alice")
            await looks(homes, "alice", 1)
            await looks(homes, "broken", 3)
    assert homes.results.count(result) >= 2
    assert "ok" in homes.results


async def test_only_a_bug_is_logged_with_its_traceback() -> None:
    homes = Homes({"refused": RefusedError("no"), "buggy": KeyError("oops")})
    with capture_logs() as logged:
        async with working(homes) as queue:
            queue.add("refused")
            queue.add("buggy")
            await looks(homes, "refused", 1)
            await looks(homes, "buggy", 1)
            await asyncio.sleep(0.005)
    traces = {entry["tenant"] for entry in logged if entry.get("exc_info")}
    assert traces == {"buggy"}


async def test_a_home_that_hangs_is_let_go() -> None:
    class Hanging(Homes):
        async def reconcile(self, name: str) -> float | None:
            await self.look(name)
            await asyncio.sleep(60)
            return None

    homes = Hanging({})
    with capture_logs():
        async with working(homes, timeout_s=0.01) as queue:
            queue.add("alice")
            await looks(homes, "alice", 2)
    assert homes.results[0] == "timeout"


async def test_a_home_is_looked_at_again_when_it_asked_to_be() -> None:
    homes = Homes({"alice": 0.01})
    async with working(homes) as queue:
        queue.add("alice")
        await looks(homes, "alice", 3)


async def test_a_busy_server_is_left_alone_as_long_as_it_asked() -> None:
    homes = Homes({"alice": BusyError("not now", retry_after_s=60)})
    with capture_logs() as logged:
        async with working(homes) as queue:
            queue.add("alice")
            await looks(homes, "alice", 1)
            await asyncio.sleep(0.05)
    assert homes.looks == ["alice"]
    assert logged[0]["again_s"] == 60


async def test_a_lost_lease_ends_the_worker() -> None:
    queue = KeyedQueue()
    homes = Homes({"alice": LeaseLostError("lost")})
    queue.add("alice")
    with pytest.raises(LeaseLostError):
        await asyncio.wait_for(work(queue, homes.reconcile, homes.tally), 1)


async def test_a_closed_queue_ends_the_worker_after_its_look() -> None:
    finished: list[str] = []

    class Slow(Homes):
        async def reconcile(self, name: str) -> float | None:
            await self.look(name)
            await asyncio.sleep(0.02)
            finished.append(name)
            return None

    homes = Slow({})
    async with working(homes, workers=1) as queue:
        queue.add("alice")
        queue.add("bob")
        await looks(homes, "alice", 1)
    assert finished == ["alice"]
