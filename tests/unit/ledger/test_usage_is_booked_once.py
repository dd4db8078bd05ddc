import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from ledger_file import ALICE, BOB, TODAY, a_book, a_flush, an_account
from sqlalchemy import MetaData

from insula.domain.errors import InvalidSpecError, UnavailableError
from insula.domain.usage import Amount
from insula.ledger.database import Database
from insula.ledger.tables import METADATA
from insula.ledger.usage import KEPT_DAYS, UsageBook


async def test_what_is_handed_in_is_read_back_as_sums(tmp_path: Path) -> None:
    async with a_book(tmp_path) as book:
        await book.book(a_flush(1), today=TODAY)
        await book.book(a_flush(2), today=TODAY)
        assert await book.read(since=TODAY) == [(an_account(), Amount(4_000_000_000, 20, 40, 2))]


async def test_a_flush_that_comes_again_is_not_booked_again(tmp_path: Path) -> None:
    async with a_book(tmp_path) as book:
        assert await book.book(a_flush(1), today=TODAY)
        assert not await book.book(a_flush(1), today=TODAY)
        assert await book.day_totals(TODAY) == {ALICE: 2_000_000_000}


async def test_the_same_number_of_another_writer_is_another_flush(tmp_path: Path) -> None:
    async with a_book(tmp_path) as book:
        await book.book(a_flush(1, writer="one"), today=TODAY)
        assert await book.book(a_flush(1, writer="two"), today=TODAY)


async def test_writers_that_come_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    async with a_book(tmp_path) as one, a_book(tmp_path) as other:
        flushes = [
            (book, a_flush(number, writer=name)) for name, book in (("a", one), ("b", other)) for number in (1, 2)
        ]
        for number in (0, 2):
            await asyncio.gather(*(book.book(flush, today=TODAY) for book, flush in flushes[number // 2 :: 2]))
        assert await one.day_totals(TODAY) == {ALICE: 8_000_000_000}


async def test_totals_are_of_one_day_and_of_each_home(tmp_path: Path) -> None:
    async with a_book(tmp_path) as book:
        await book.book(a_flush(1, account=an_account(day=TODAY - timedelta(days=1))), today=TODAY)
        await book.book(a_flush(2, account=an_account(model="other")), today=TODAY)
        await book.book(a_flush(3, account=an_account("bob", BOB)), today=TODAY)
        assert await book.day_totals(TODAY) == {ALICE: 2_000_000_000, BOB: 2_000_000_000}


async def test_one_homes_usage_is_read_alone(tmp_path: Path) -> None:
    async with a_book(tmp_path) as book:
        await book.book(a_flush(1), today=TODAY)
        await book.book(a_flush(2, account=an_account("bob", BOB)), today=TODAY)
        assert [account.tenant for account, _ in await book.read(since=TODAY, tenant="bob")] == ["bob"]


async def test_what_is_older_than_it_is_kept_is_forgotten(tmp_path: Path) -> None:
    async with a_book(tmp_path) as book:
        last = TODAY - timedelta(days=KEPT_DAYS)
        await book.book(a_flush(1, account=an_account(day=last)), today=TODAY)
        await book.book(a_flush(2, account=an_account(day=last - timedelta(days=1))), today=TODAY)
        await book.forget(today=TODAY)
        assert [account.day for account, _ in await book.read(since=last - timedelta(days=9))] == [last]


async def test_processes_that_start_together_make_the_tables_once(tmp_path: Path) -> None:
    ledgers = [Database(f"sqlite:///{tmp_path / 'ledger.sqlite3'}") for _ in range(4)]
    await asyncio.gather(*(each.migrate() for each in ledgers))
    assert await UsageBook(ledgers[0]).read(since=TODAY) == []
    for each in ledgers:
        await each.close()


async def test_the_migrations_make_the_tables_that_the_code_speaks_of(tmp_path: Path) -> None:
    async with a_book(tmp_path) as book, book.database.begin() as connection:
        made = MetaData()
        await connection.run_sync(made.reflect)
    tables = {name: table for name, table in made.tables.items() if name != "alembic_version"}
    assert {name: [column.name for column in table.columns] for name, table in tables.items()} == {
        name: [column.name for column in table.columns] for name, table in METADATA.tables.items()
    }
    assert {name: list(table.primary_key.columns.keys()) for name, table in tables.items()} == {
        name: list(table.primary_key.columns.keys()) for name, table in METADATA.tables.items()
    }
    assert {index.name for table in tables.values() for index in table.indexes} == {
        index.name for table in METADATA.tables.values() for index in table.indexes
    }


async def test_a_database_that_is_away_is_said_to_be_away_without_its_url(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'secret' / 'ledger.sqlite3'}")
    with pytest.raises(UnavailableError) as caught:
        await database.migrate()
    assert "secret" not in str(caught.value)
    await database.close()


@pytest.mark.parametrize("url", ["", "mysql://host/name", "ledger.sqlite3"])
def test_a_url_of_nothing_known_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(InvalidSpecError) as caught:
        Database(url)
    assert not url or url not in str(caught.value)


async def test_a_release_that_is_taken_back_goes_on_with_the_tables_of_the_newer_one(tmp_path: Path) -> None:
    async with a_book(tmp_path) as book:
        await book.book(a_flush(1), today=TODAY)
    newer = Database(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    async with newer.begin() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    await newer.close()
    async with a_book(tmp_path) as book:
        await book.book(a_flush(2), today=TODAY)
        assert await book.day_totals(TODAY) == {ALICE: 4_000_000_000}
