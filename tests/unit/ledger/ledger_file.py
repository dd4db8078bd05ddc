"""A ledger in a file of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

from insula.domain.inference import Priority
from insula.domain.usage import Account, Amount, Flush
from insula.ledger.database import Database
from insula.ledger.usage import UsageBook

TODAY = date(2026, 11, 25)
ALICE = "0b5e7f3c-4e0f-4c58-9d3e-1f2a3b4c5d6e"
BOB = "1c6f8a4d-5f1a-4d69-8e4f-2a3b4c5d6e7f"


@asynccontextmanager
async def a_book(directory: Path) -> AsyncIterator[UsageBook]:
    database = Database(f"sqlite:///{directory / 'ledger.sqlite3'}")
    try:
        await database.migrate()
        yield UsageBook(database)
    finally:
        await database.close()


def an_account(tenant: str = "alice", tenant_id: str = ALICE, day: date = TODAY, model: str = "m") -> Account:
    return Account(tenant_id, tenant, day, model, Priority.INTERACTIVE)


def a_flush(sequence: int = 1, *, writer: str = "one", seconds: int = 2, account: Account | None = None) -> Flush:
    amount = Amount(seconds * 1_000_000_000, 10, 20, 1)
    return Flush(writer, sequence, {account or an_account(): amount})
