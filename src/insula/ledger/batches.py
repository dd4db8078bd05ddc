"""Batches at rest: kept for their homes, handed out line by line to whoever runs them, forgotten in time."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.domain import batches
from insula.domain.batches import Batch, BatchState, Line, Result, Task
from insula.domain.errors import ConflictError, NotFoundError, RefusedError, UnavailableError
from insula.ledger.database import Database
from insula.ledger.tables import BATCH_LINES, BATCHES

_OPEN: Final = BATCHES.c.answered + BATCHES.c.failed < BATCHES.c.lines
_TOO_LONG: Final = '{"error":"the answers of this batch are longer than a batch may have"}'


@dataclass(frozen=True)
class BatchStore:
    """What the database holds of batches. `now` is seconds since 1970."""

    database: Database

    async def add(self, batch_id: str, tenant_id: str, lines: Sequence[Line], *, now: int) -> Batch:
        """Keep a new batch.

        Raises:
            RefusedError: The home has as many batches as it may have.
            UnavailableError: The ledger has no room for batches now, or the database is away.
        """
        size = sum(len(line.body) for line in lines)
        async with self.database.begin() as connection:
            await self._make_room(connection, tenant_id, size, now)
            times = {"created_at": now, "expires_at": now + batches.KEPT_S}
            empty = {"answered": 0, "failed": 0, "answers_bytes": 0, "runner": "", "not_before": 0}
            row = {"id": batch_id, "tenant_id": tenant_id, "lines": len(lines), "bytes": size} | times | empty
            await connection.execute(insert(BATCHES), row)
            rows = [{"batch_id": batch_id, "number": number} | asdict(line) for number, line in enumerate(lines)]
            await connection.execute(insert(BATCH_LINES), rows)
        return Batch(batch_id, BatchState.QUEUED, now, now + batches.KEPT_S, len(lines), 0, 0)

    async def all_of(self, tenant_id: str, *, now: int) -> list[Batch]:
        """Return a home's batches, oldest first."""
        query = select(BATCHES).where(BATCHES.c.tenant_id == tenant_id).order_by(BATCHES.c.created_at, BATCHES.c.id)
        async with self.database.begin() as connection:
            return [_batch(row, now) for row in await connection.execute(query)]

    async def find(self, batch_id: str, tenant_id: str, *, now: int) -> Batch:
        """Return a batch of a home.

        Raises:
            NotFoundError: The home has no such batch.
        """
        async with self.database.begin() as connection:
            return _batch(await _of_home(connection, batch_id, tenant_id), now)

    async def results(self, batch_id: str, tenant_id: str) -> list[Result]:
        """Return what became of the lines that are done, in their order.

        Raises:
            NotFoundError: The home has no such batch.
        """
        lines = BATCH_LINES.c
        query = select(lines.custom_id, lines.status, lines.answer).where(lines.batch_id == batch_id)
        async with self.database.begin() as connection:
            await _of_home(connection, batch_id, tenant_id)
            done = await connection.execute(query.where(lines.status.is_not(None)).order_by(lines.number))
            return [Result(*row) for row in done]

    async def remove(self, batch_id: str, tenant_id: str) -> None:
        """Forget a batch, done or not. Its runner learns of it when it next says that it runs it.

        Raises:
            NotFoundError: The home has no such batch.
        """
        async with self.database.begin() as connection:
            await _of_home(connection, batch_id, tenant_id)
            await _forget(connection, BATCHES.c.id == batch_id)

    async def claim(self, runner: str, *, now: int) -> Task | None:
        """Give a runner the batch that waits longest, of a home of which no other batch runs; None: there is none."""
        other = BATCHES.alias()
        runs = and_(other.c.runner != "", other.c.not_before > now, other.c.tenant_id == BATCHES.c.tenant_id)
        is_free = and_(_OPEN, BATCHES.c.not_before <= now, BATCHES.c.expires_at > now)
        query = select(BATCHES.c.id).where(is_free, ~exists().where(runs)).order_by(BATCHES.c.created_at).limit(1)
        async with self.database.begin() as connection:
            batch_id = await connection.scalar(query.with_for_update(skip_locked=True))
            if batch_id is None:
                return None
            await connection.execute(_lease(batch_id, runner, now + batches.LEASE_S))
            return await _next(connection, batch_id)

    async def hold(self, batch_id: str, runner: str, *, now: int) -> None:
        """Take note that a runner still runs a batch.

        Raises:
            ConflictError: The batch is gone, or another one's.
        """
        async with self.database.begin() as connection:
            await _held(connection, batch_id, runner)
            await connection.execute(_lease(batch_id, runner, now + batches.LEASE_S))

    async def release(self, batch_id: str, runner: str, *, until: int) -> None:
        """Let a batch go that a runner cannot go on with; nobody takes it up before `until`.

        Raises:
            ConflictError: The batch is gone, or another one's.
        """
        async with self.database.begin() as connection:
            await _held(connection, batch_id, runner)
            await connection.execute(_lease(batch_id, "", until))

    async def answer(
        self, batch_id: str, runner: str, number: int, *, status: int, answer: str, now: int
    ) -> Task | None:
        """Keep what became of a line; return the next one, or None when the batch is done.

        Raises:
            ConflictError: The batch is gone, or another one's; the answer is lost.
        """
        async with self.database.begin() as connection:
            held = await _held(connection, batch_id, runner)
            if held.answers_bytes + len(answer) > batches.MAX_ANSWERS_BYTES:
                status, answer = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_LONG
            line = and_(BATCH_LINES.c.batch_id == batch_id, BATCH_LINES.c.number == number)
            told = update(BATCH_LINES).where(line, BATCH_LINES.c.status.is_(None))
            told = told.values(status=int(status), answer=answer).returning(BATCH_LINES.c.number)
            if (await connection.execute(told)).first() is not None:  # else it came again
                count = BATCHES.c.answered if status == HTTPStatus.OK else BATCHES.c.failed
                grown = {name: BATCHES.c[name] + len(answer) for name in ("bytes", "answers_bytes")}
                change = update(BATCHES).where(BATCHES.c.id == batch_id)
                await connection.execute(change.values({count.name: count + 1, **grown}))
            following = await _next(connection, batch_id)
            lease = ("", 0) if following is None else (runner, now + batches.LEASE_S)
            await connection.execute(_lease(batch_id, *lease))
            return following

    async def forget(self, *, now: int) -> None:
        """Delete what nobody fetched in time."""
        async with self.database.begin() as connection:
            await _forget(connection, BATCHES.c.expires_at <= now)

    async def _make_room(self, connection: AsyncConnection, tenant_id: str, size: int, now: int) -> None:
        await _forget(connection, BATCHES.c.expires_at <= now)
        own = await connection.scalar(select(func.count()).where(BATCHES.c.tenant_id == tenant_id))
        if (own or 0) >= batches.MAX_BATCHES_PER_HOME:
            raise RefusedError(
                f"this home has {batches.MAX_BATCHES_PER_HOME} batches",
                remedy="take the results of one and delete it",
            )
        held = await connection.scalar(select(func.coalesce(func.sum(BATCHES.c.bytes), 0)))
        if int(held or 0) + size > batches.MAX_BYTES:
            raise UnavailableError("the ledger has no room for another batch now", remedy="try again later")


def _lease(batch_id: str, runner: str, until: int) -> Any:
    return update(BATCHES).where(BATCHES.c.id == batch_id).values(runner=runner, not_before=until)


async def _of_home(connection: AsyncConnection, batch_id: str, tenant_id: str) -> Row[Any]:
    query = select(BATCHES).where(BATCHES.c.id == batch_id, BATCHES.c.tenant_id == tenant_id)
    found = (await connection.execute(query)).first()
    if found is None:
        raise NotFoundError("there is no such batch")
    return found


async def _held(connection: AsyncConnection, batch_id: str, runner: str) -> Row[Any]:
    query = select(BATCHES).where(BATCHES.c.id == batch_id, BATCHES.c.runner == runner).with_for_update()
    found = (await connection.execute(query)).first()
    if found is None:
        raise ConflictError("the batch is gone, or another one's")
    return found


async def _next(connection: AsyncConnection, batch_id: str) -> Task | None:
    lines = BATCH_LINES.c
    query = select(BATCHES.c.id, BATCHES.c.tenant_id, lines.number, lines.path, lines.body)
    query = query.join(BATCH_LINES, lines.batch_id == BATCHES.c.id).where(BATCHES.c.id == batch_id)
    row = (await connection.execute(query.where(lines.status.is_(None)).order_by(lines.number).limit(1))).first()
    return None if row is None else Task(*row)


async def _forget(connection: AsyncConnection, which: ColumnElement[bool]) -> None:
    ids = select(BATCHES.c.id).where(which).scalar_subquery()
    await connection.execute(delete(BATCH_LINES).where(BATCH_LINES.c.batch_id.in_(ids)))
    await connection.execute(delete(BATCHES).where(which))


def _batch(row: Row[Any], now: int) -> Batch:
    state = BatchState.RUNNING if row.runner and row.not_before > now else BatchState.QUEUED
    if row.answered + row.failed >= row.lines:
        state = BatchState.COMPLETED
    return Batch(row.id, state, row.created_at, row.expires_at, row.lines, row.answered, row.failed)
