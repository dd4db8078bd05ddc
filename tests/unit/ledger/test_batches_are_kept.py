from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from ledger_file import ALICE, BOB, a_book

from insula.domain import batches
from insula.domain.batches import BatchState, Line, Result, Task
from insula.domain.errors import ConflictError, NotFoundError, RefusedError, UnavailableError
from insula.ledger.batches import BatchStore

NOW = 1_800_000_000


@asynccontextmanager
async def a_store(directory: Path) -> AsyncIterator[BatchStore]:
    async with a_book(directory) as book:
        yield BatchStore(book.database)


def lines(count: int = 2) -> list[Line]:
    return [Line(f"line-{number}", "/api/chat", f'{{"n":{number}}}') for number in range(count)]


def a_task(number: int = 0, *, batch_id: str = "b1", tenant_id: str = ALICE) -> Task:
    return Task(batch_id, tenant_id, number, "/api/chat", f'{{"n":{number}}}')


async def test_a_batch_is_run_line_by_line_to_its_end(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        assert (await store.add("b1", ALICE, lines(), now=NOW)).state is BatchState.QUEUED
        assert await store.claim("me", now=NOW) == a_task(0)
        assert (await store.find("b1", ALICE, now=NOW)).state is BatchState.RUNNING
        assert await store.answer("b1", "me", 0, status=200, answer="{}", now=NOW) == a_task(1)
        assert await store.answer("b1", "me", 1, status=404, answer='{"error":"no"}', now=NOW) is None
        found = await store.find("b1", ALICE, now=NOW)
        assert (found.state, found.answered, found.failed) == (BatchState.COMPLETED, 1, 1)
        assert await store.results("b1", ALICE) == [
            Result("line-0", 200, "{}"),
            Result("line-1", 404, '{"error":"no"}'),
        ]
        assert await store.claim("me", now=NOW) is None


async def test_a_batch_has_one_runner_until_its_lease_ends(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await store.add("b1", ALICE, lines(), now=NOW)
        await store.claim("one", now=NOW)
        assert await store.claim("other", now=NOW + batches.LEASE_S - 1) is None
        await store.hold("b1", "one", now=NOW + batches.LEASE_S - 1)
        assert await store.claim("other", now=NOW + batches.LEASE_S + 1) is None
        assert await store.claim("other", now=NOW + 3 * batches.LEASE_S) == a_task(0)
        with pytest.raises(ConflictError):
            await store.answer("b1", "one", 0, status=200, answer="{}", now=NOW)
        with pytest.raises(ConflictError):
            await store.hold("b1", "one", now=NOW)


async def test_a_home_has_one_batch_running_and_others_have_theirs(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        for number, tenant_id in enumerate((ALICE, ALICE, BOB)):
            await store.add(f"b{number}", tenant_id, lines(), now=NOW + number)
        claimed = [await store.claim("me", now=NOW + 9) for _ in range(3)]
        assert [task.batch_id if task else None for task in claimed] == ["b0", "b2", None]


async def test_a_batch_that_was_let_go_waits_as_long_as_was_said(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await store.add("b1", ALICE, lines(), now=NOW)
        await store.claim("me", now=NOW)
        await store.release("b1", "me", until=NOW + 300)
        assert (await store.find("b1", ALICE, now=NOW)).state is BatchState.QUEUED
        assert await store.claim("me", now=NOW + 299) is None
        assert await store.claim("me", now=NOW + 300) == a_task(0)


async def test_a_paused_batch_does_not_keep_the_homes_other_one(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await store.add("b1", ALICE, lines(), now=NOW)
        await store.add("b2", ALICE, lines(), now=NOW + 1)
        await store.claim("me", now=NOW + 2)
        await store.release("b1", "me", until=NOW + 300)
        assert await store.claim("me", now=NOW + 3) == a_task(0, batch_id="b2")


async def test_an_answer_that_comes_again_counts_once(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await store.add("b1", ALICE, lines(), now=NOW)
        await store.claim("me", now=NOW)
        for answer in ('{"first":1}', '{"second":1}'):
            assert await store.answer("b1", "me", 0, status=200, answer=answer, now=NOW) == a_task(1)
        assert (await store.find("b1", ALICE, now=NOW)).answered == 1
        assert await store.results("b1", ALICE) == [Result("line-0", 200, '{"first":1}')]


async def test_nobody_sees_or_stops_another_homes_batch(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await store.add("b1", ALICE, lines(), now=NOW)
        assert await store.all_of(BOB, now=NOW) == []
        for attempt in (store.find("b1", BOB, now=NOW), store.results("b1", BOB), store.remove("b1", BOB)):
            with pytest.raises(NotFoundError):
                await attempt
        assert len(await store.all_of(ALICE, now=NOW)) == 1


async def test_a_batch_that_is_cancelled_is_gone_for_its_runner(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await store.add("b1", ALICE, lines(), now=NOW)
        await store.claim("me", now=NOW)
        await store.remove("b1", ALICE)
        with pytest.raises(ConflictError):
            await store.hold("b1", "me", now=NOW)
        with pytest.raises(ConflictError):
            await store.answer("b1", "me", 0, status=200, answer="{}", now=NOW)


async def test_a_home_has_so_many_batches_and_no_more(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        for number in range(batches.MAX_BATCHES_PER_HOME):
            await store.add(f"b{number}", ALICE, lines(), now=NOW)
        with pytest.raises(RefusedError, match="delete"):
            await store.add("more", ALICE, lines(), now=NOW)
        await store.add("bobs", BOB, lines(), now=NOW)
        await store.remove("b0", ALICE)
        await store.add("more", ALICE, lines(), now=NOW)


async def test_a_batch_that_nobody_fetched_in_time_is_forgotten_with_its_lines(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await store.add("b1", ALICE, lines(), now=NOW)
        assert await store.claim("me", now=NOW + batches.KEPT_S) is None
        await store.forget(now=NOW + batches.KEPT_S)
        assert await store.all_of(ALICE, now=NOW) == []
        await store.add("b1", ALICE, lines(1), now=NOW)
        assert await store.results("b1", ALICE) == []


async def test_the_ledger_has_room_for_so_much_and_no_more(tmp_path: Path) -> None:
    large = [Line("x", "/api/chat", "x" * batches.MAX_UPLOAD_BYTES)]
    async with a_store(tmp_path) as store:
        for number in range(batches.MAX_BYTES // batches.MAX_UPLOAD_BYTES):
            await store.add(f"b{number}", f"home-{number}", large, now=NOW)
        with pytest.raises(UnavailableError, match="room"):
            await store.add("more", ALICE, lines(), now=NOW)


async def test_answers_beyond_what_a_batch_may_have_are_errors_in_their_place(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await store.add("b1", ALICE, lines(), now=NOW)
        await store.claim("me", now=NOW)
        await store.answer("b1", "me", 0, status=200, answer="x" * batches.MAX_ANSWERS_BYTES, now=NOW)
        await store.answer("b1", "me", 1, status=200, answer="y", now=NOW)
        assert [(result.status, len(result.answer) < 100) for result in await store.results("b1", ALICE)] == [
            (200, False),
            (413, True),
        ]
