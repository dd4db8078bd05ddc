"""One database, SQLite or PostgreSQL: opened by its URL, brought to the newest tables, spoken to in transactions."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.url import URL
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from insula.domain.errors import InvalidSpecError, UnavailableError, cap

# How long a statement waits for another one's transaction, or for a server that does not answer.
PATIENCE_S: Final = 5
_log = structlog.get_logger(__name__)
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
# Any number, as long as it is ours: who holds it migrates.
_MIGRATION_LOCK: Final = 0x1D5A1A
_DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


class Database:
    """A pool of connections. Nothing is opened before it is used, so a database may be away at the start.

    Args:
        url: `sqlite:////absolute/path` or `postgresql://user:password@host/name`. It is a secret: no message has it.

    Raises:
        InvalidSpecError: It is no URL of these kinds.
    """

    def __init__(self, url: str) -> None:
        parsed = _parse(url)
        self._is_sqlite = parsed.get_backend_name() == "sqlite"
        self._engine = _open_sqlite(parsed) if self._is_sqlite else _open_postgresql(parsed)

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()

    async def migrate(self) -> None:
        """Bring the tables to the newest version. Whoever comes at the same time waits, and then finds it done.

        Tables of a newer version than this program's stay as they are.

        Raises:
            UnavailableError: The database is away.
        """
        async with self.begin() as connection:
            await connection.run_sync(_migrate)

    @asynccontextmanager
    async def begin(self) -> AsyncGenerator[AsyncConnection, None]:
        """Open a transaction: all of it happens, or nothing does.

        Raises:
            UnavailableError: The database is away. What was to be written may have been written all the same.
        """
        try:
            async with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            # The statement's own text may hold what a tenant wrote; the driver's message is enough.
            reason = getattr(error, "orig", None) or error
            raise UnavailableError(f"the ledger's database: {cap(f'{type(reason).__name__}: {reason}')}") from error

    def insert(self, table: Any) -> "sqlite.Insert | postgresql.Insert":
        """Return an insertion that can say what becomes of a row that is there already."""
        return sqlite.insert(table) if self._is_sqlite else postgresql.insert(table)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        return parsed.set(drivername=_DRIVERS[parsed.get_backend_name()])
    except (ArgumentError, KeyError):
        remedy = "write sqlite:////path/to/file or postgresql://user:password@host/name"
        raise InvalidSpecError("the ledger's URL is none of a database that Insula knows", remedy=remedy) from None


def _open_postgresql(url: URL) -> AsyncEngine:
    # A connection that the server or a network has dropped is made anew before it is used.
    timeout = {"connect_timeout": PATIENCE_S, "options": f"-c statement_timeout={PATIENCE_S * 1000}"}
    return create_async_engine(url, pool_pre_ping=True, pool_size=2, max_overflow=2, connect_args=timeout)


def _open_sqlite(url: URL) -> AsyncEngine:
    engine = create_async_engine(url, pool_size=2, max_overflow=2, connect_args={"timeout": PATIENCE_S})

    @event.listens_for(engine.sync_engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver would begin transactions late, and none for tables
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        # At once for writing: a transaction that reads first and writes then cannot wait its turn.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    # A migration leaves the version before it able to work, so that a release can be taken back.
    if set(MigrationContext.configure(connection).get_current_heads()) <= known:
        command.upgrade(config, "head")
    else:
        _log.warning("ledger_is_newer", remedy="tables of a newer version are left as they are")
