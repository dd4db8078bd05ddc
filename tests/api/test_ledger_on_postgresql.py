"""The ledger on a real PostgreSQL: the same sums as in SQLite, with several writers, and through its absence."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import date, timedelta

import pytest
import pytest_asyncio
from sqlalchemy import text

from api import postgresql
from api.postgresql import PostgreSQL
from insula.domain.batches import LEASE_S, Line, Result
from insula.domain.errors import UnavailableError
from insula.domain.inference import Priority
from insula.domain.usage import Account, Amount, Flush
from insula.ledger.batches import BatchStore
from insula.ledger.database import Database
from insula.ledger.usage import KEPT_DAYS, UsageBook

TODAY = date(2026, 11, 25)
ALICE = "0b5e7f3c-4e0f-4c58-9d3e-1f2a3b4c5d6e"
BOB = "1c6f8a4d-5f1a-4d69-8e4f-2a3b4c5d6e7f"


def an_account(tenant_id: str = ALICE, day: date = TODAY) -> Account:
    return Account(tenant_id, "alice" if tenant_id == ALICE else "bob", day, "m", Priority.INTERACTIVE)


def a_flush(writer: str, sequence: int, *accounts: Account) -> Flush:
    return Flush(writer, sequence, dict.fromkeys(accounts or (an_account(),), Amount(1_000_000_000, 1, 2, 1)))


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql.running() as running:
        yield running


@pytest_asyncio.fixture
async def book(server: PostgreSQL) -> AsyncIterator[UsageBook]:
    """An empty book."""
    database = Database(server.url)
    await database.migrate()
    async with database.begin() as connection:
        await connection.execute(text("TRUNCATE usage, writers, batches, batch_lines"))
    yield UsageBook(database)
    await database.close()


async def test_processes_that_start_together_make_the_tables_once(server: PostgreSQL) -> None:
    databases = [Database(server.url) for _ in range(4)]
    async with databases[0].begin() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
    await asyncio.gather(*(each.migrate() for each in databases))
    assert await UsageBook(databases[0]).read(since=TODAY) == []
    for each in databases:
        await each.close()


async def test_a_flush_is_booked_once_however_often_and_by_however_many_it_comes(book: UsageBook) -> None:
    new = await asyncio.gather(*(book.book(a_flush("one", 1), today=TODAY) for _ in range(4)))
    assert sorted(new) == [False, False, False, True]
    assert await book.day_totals(TODAY) == {ALICE: 1_000_000_000}


async def test_writers_that_come_at_the_same_time_lose_nothing(book: UsageBook) -> None:
    """Each takes the same two rows, named in another order: they would wait for each other without end."""
    accounts = (an_account(ALICE), an_account(BOB))

    async def hand_in(writer: str, *in_order: Account) -> None:
        for sequence in range(1, 11):
            await book.book(a_flush(writer, sequence, *in_order), today=TODAY)

    await asyncio.gather(hand_in("one", *accounts), hand_in("two", *reversed(accounts)))
    assert await book.day_totals(TODAY) == {ALICE: 20_000_000_000, BOB: 20_000_000_000}


async def test_what_was_booked_is_read_back_and_what_is_old_forgotten(book: UsageBook) -> None:
    old = an_account(day=TODAY - timedelta(days=KEPT_DAYS + 1))
    await book.book(a_flush("one", 1, old, an_account()), today=TODAY)
    await book.forget(today=TODAY)
    assert await book.read(since=old.day, tenant="alice") == [(an_account(), Amount(1_000_000_000, 1, 2, 1))]


async def test_a_server_that_was_away_is_caught_up_with(book: UsageBook, server: PostgreSQL) -> None:
    await book.book(a_flush("one", 1), today=TODAY)
    server.stop()
    with pytest.raises(UnavailableError):
        await book.book(a_flush("one", 2), today=TODAY)
    server.start()
    assert await book.book(a_flush("one", 2), today=TODAY)
    assert not await book.book(a_flush("one", 2), today=TODAY)
    assert await book.day_totals(TODAY) == {ALICE: 2_000_000_000}


async def test_runners_that_come_at_the_same_time_get_different_batches(book: UsageBook) -> None:
    store, now = BatchStore(book.database), 1_800_000_000
    for number in range(3):
        await store.add(f"b{number}", f"home-{number}", [Line("a", "/api/chat", "{}")], now=now)
    claimed = await asyncio.gather(*(store.claim(f"runner-{number}", now=now) for number in range(4)))
    assert sorted(task.batch_id for task in claimed if task) == ["b0", "b1", "b2"]


async def test_a_batch_is_run_to_its_end_and_forgotten(book: UsageBook) -> None:
    store, now = BatchStore(book.database), 1_800_000_000
    await store.add("b1", ALICE, [Line("a", "/api/chat", "{}"), Line("b", "/api/chat", "{}")], now=now)
    await store.claim("one", now=now)
    await store.answer("b1", "one", 0, status=200, answer='{"é":1}', now=now)
    await store.claim("other", now=now + LEASE_S + 1)
    assert await store.answer("b1", "other", 1, status=500, answer="no", now=now) is None
    assert await store.results("b1", ALICE) == [Result("a", 200, '{"é":1}'), Result("b", 500, "no")]
    await store.remove("b1", ALICE)
    assert await store.all_of(ALICE, now=now) == []
