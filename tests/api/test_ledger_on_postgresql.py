"""The ledger on a real PostgreSQL: the same sums as in SQLite, with several writers, and through its absence."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import date, timedelta

import pytest
import pytest_asyncio
from sqlalchemy import text

from api import postgresql
from api.postgresql import PostgreSQL
from insula.domain.errors import UnavailableError
from insula.domain.inference import Priority
from insula.domain.usage import Account, Amount, Flush
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
        await connection.execute(text("TRUNCATE usage, writers"))
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
