"""The book of what homes have used: each flush is booked once, sums are read by day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.domain.inference import Priority
from insula.domain.usage import Account, Amount, Flush
from insula.ledger.database import Database
from insula.ledger.tables import USAGE, WRITERS

# A year and a month: enough to compare a day with the same one of the year before.
KEPT_DAYS: Final = 400
# A process hands in within seconds what it has, and within its life what it had to keep.
WRITERS_KEPT_DAYS: Final = 60

_SUMS: Final = (USAGE.c.gpu_ns, USAGE.c.prompt_tokens, USAGE.c.answer_tokens, USAGE.c.requests)


@dataclass(frozen=True)
class UsageBook:
    """What the database holds of usage."""

    database: Database

    async def book(self, flush: Flush, *, today: date) -> bool:
        """Add a flush to the sums, all of it or nothing; say whether it was new.

        Raises:
            UnavailableError: The database is away; hand in the same flush again.
        """
        async with self.database.begin() as connection:
            if not await self._is_new(connection, flush, today):
                return False
            rows = [_row(account, amount) for account, amount in sorted(flush.sums.items(), key=_key)]
            if rows:
                insertion = self.database.insert(USAGE)
                added = {column.name: column + insertion.excluded[column.name] for column in _SUMS}
                await connection.execute(
                    insertion.on_conflict_do_update(
                        index_elements=list(USAGE.primary_key.columns),
                        set_={"tenant": insertion.excluded.tenant, **added},
                    ),
                    rows,
                )
            return True

    async def day_totals(self, day: date) -> Mapping[str, int]:
        """Return the nanoseconds that each home has computed on a day, by its identity."""
        query = select(USAGE.c.tenant_id, func.sum(USAGE.c.gpu_ns)).where(USAGE.c.day == day)
        async with self.database.begin() as connection:
            found = await connection.execute(query.group_by(USAGE.c.tenant_id))
            return {tenant_id: int(total) for tenant_id, total in found}

    async def read(self, *, since: date, tenant: str = "") -> list[tuple[Account, Amount]]:
        """Return what was used from a day on, oldest first.

        Args:
            since: The first day.
            tenant: The name of the home; empty: of all homes.
        """
        query = select(USAGE).where(USAGE.c.day >= since)
        if tenant:
            query = query.where(USAGE.c.tenant == tenant)
        order = (USAGE.c.day, USAGE.c.tenant, USAGE.c.tenant_id, USAGE.c.model, USAGE.c.priority)
        async with self.database.begin() as connection:
            return [_entry(*row) for row in await connection.execute(query.order_by(*order))]

    async def forget(self, *, today: date) -> None:
        """Delete what is older than it is kept."""
        async with self.database.begin() as connection:
            await connection.execute(delete(USAGE).where(USAGE.c.day < today - timedelta(days=KEPT_DAYS)))
            await connection.execute(delete(WRITERS).where(WRITERS.c.day < today - timedelta(days=WRITERS_KEPT_DAYS)))

    async def _is_new(self, connection: AsyncConnection, flush: Flush, today: date) -> bool:
        """Take note of a flush; another transaction that takes note of the same one waits for this to end."""
        insertion = self.database.insert(WRITERS).values(writer=flush.writer, sequence=flush.sequence, day=today)
        noted = await connection.execute(
            insertion.on_conflict_do_update(
                index_elements=[WRITERS.c.writer],
                set_={"sequence": insertion.excluded.sequence, "day": insertion.excluded.day},
                where=WRITERS.c.sequence < insertion.excluded.sequence,
            ).returning(WRITERS.c.sequence)
        )
        return noted.first() is not None


def _key(item: tuple[Account, Amount]) -> tuple[str, date, str, str]:
    """Return the order in which rows are written: two writers that take the same rows take them in the same order."""
    account = item[0]
    return account.tenant_id, account.day, account.model, account.priority.value


def _row(account: Account, amount: Amount) -> dict[str, Any]:
    return {
        "tenant_id": account.tenant_id,
        "tenant": account.tenant,
        "day": account.day,
        "model": account.model,
        "priority": account.priority.value,
        "gpu_ns": amount.gpu_ns,
        "prompt_tokens": amount.prompt_tokens,
        "answer_tokens": amount.answer_tokens,
        "requests": amount.requests,
    }


def _entry(tenant_id: str, day: date, model: str, priority: str, tenant: str, *amounts: int) -> tuple[Account, Amount]:
    """Return what a row says; its columns come in the table's order."""
    return Account(tenant_id, tenant, day, model, Priority(priority)), Amount(*amounts)
