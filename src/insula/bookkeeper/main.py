"""`insula ledger`: opens the database, brings its tables to the newest version, serves until it is told to stop."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer
from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge

from insula.bookkeeper.batches import Batches
from insula.bookkeeper.server import Bookkeeper
from insula.domain.errors import NotFoundError, UnavailableError
from insula.ledger.batches import BatchStore
from insula.ledger.database import Database
from insula.ledger.usage import UsageBook
from insula.services import health, logs, stopping

# A database that starts together with us is there within seconds; one that is away is not waited for in a rush.
MIGRATE_AGAIN_S: Final = 2.0
USUAL_URL: Final = "sqlite:////var/lib/insula/ledger.sqlite3"
FORGET_EVERY_S: Final = 3600.0

app = typer.Typer(help="The book of what homes use.", add_completion=False)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Settings:
    """What `insula ledger` was started with."""

    url: str = field(repr=False)
    host: str = "0.0.0.0"  # noqa: S104
    port: int = 8090
    admin_port: int = 8080


@app.callback(invoke_without_command=True)
def ledger(
    *,
    url_file: Annotated[
        Path | None,
        typer.Option(envvar="INSULA_LEDGER_URL_FILE", help="File that holds the database's URL; without, SQLite."),
    ] = None,
    host: Annotated[str, typer.Option(envvar="INSULA_LEDGER_HOST", help="Address to listen on.")] = "0.0.0.0",  # noqa: S104
    port: Annotated[int, typer.Option(envvar="INSULA_LEDGER_PORT", help="Port for gateways and people.")] = 8090,
    admin_port: Annotated[int, typer.Option(envvar="INSULA_LEDGER_ADMIN_PORT", help="Health and metrics.")] = 8080,
    log_level: Annotated[str, typer.Option(envvar="INSULA_LOG_LEVEL", help="DEBUG, INFO, WARNING or ERROR.")] = "INFO",
) -> None:
    """Keep the book of what homes have used of the models."""
    logs.configure(level=log_level)
    asyncio.run(_until_told(Settings(read_url(url_file), host, port, admin_port)))


def read_url(file: Path | None) -> str:
    """Return the URL that a file holds, that of the usual SQLite without one.

    Raises:
        NotFoundError: There is no such file.
    """
    if file is None:
        return USUAL_URL
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise NotFoundError(
            f"{file} cannot be read: {error.strerror}",
            remedy="check ledger.database of the chart's values, and the Secret that it names",
        ) from error


async def _until_told(settings: Settings) -> None:
    with stopping.told_to_stop() as stop:
        await serve(settings, stop)


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set.

    Raises:
        InvalidSpecError: The URL is none of a database that we know.
    """
    database, registry = Database(settings.url), CollectorRegistry()
    keeper = Keeper(database)
    Gauge("insula_ledger_migrated", "1 once the tables are current.", registry=registry).set_function(
        lambda: float(keeper.migrated)
    )
    answers = Bookkeeper(UsageBook(database), Batches(BatchStore(database)), registry)
    admin = health.application(registry, unready=keeper.lacking, unhealthy=list)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        for application, port in ((admin, settings.admin_port), (answers.application(), settings.port)):
            runner = web.AppRunner(application, access_log=None)
            stack.push_async_callback(runner.cleanup)
            await runner.setup()
            await web.TCPSite(runner, settings.host, port).start()
        _log.info("ledger_started", port=settings.port, admin_port=settings.admin_port)
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(keeper.keep())
            await stop.wait()
            keeping.cancel()
    _log.info("ledger_stopped")


def _today() -> date:
    return datetime.now(UTC).date()


@dataclass
class Keeper:
    """Brings the tables to the newest version as soon as the database is there, and forgets what is old."""

    database: Database
    today: Callable[[], date] = _today
    migrated: bool = False

    def lacking(self) -> list[str]:
        """Say in words why nothing can be booked; empty when it can."""
        return [] if self.migrated else ["the database is away, or its tables are not current"]

    async def keep(self) -> None:
        """Go on until cancelled."""
        while not self.migrated:
            try:
                await self.database.migrate()
                self.migrated = True
                _log.info("ledger_migrated")
            except UnavailableError as error:
                _log.warning("database_away", error=str(error))
                await asyncio.sleep(MIGRATE_AGAIN_S)
        while True:
            with contextlib.suppress(UnavailableError):  # it is old tomorrow, too
                await UsageBook(self.database).forget(today=self.today())
                await BatchStore(self.database).forget(now=int(time.time()))
            await asyncio.sleep(FORGET_EVERY_S)
