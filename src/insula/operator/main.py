"""`insula operator`: stands by until it holds the Lease, leads, and gives the Lease back when told to stop."""

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer
from aiohttp import web

from insula.kube import config
from insula.kube.client import Client
from insula.kube.config import Access
from insula.kube.leases import Elector, LeaseLostError
from insula.operator.leading import Leader, first
from insula.operator.metrics import Metrics
from insula.operator.settings import LEASE, Settings, load_platform
from insula.services import health, logs, stopping

# A stand-by that the API server has not answered for this long could not take over.
CONTACT_S: Final = 30.0
# Objects read from JSON hold no cycles. By default, Python searches all that is held for them again and again, which
# takes a seventh of a start among many homes.
GARBAGE_THRESHOLDS: Final = (100_000, 50, 100)

app = typer.Typer(help="The operator.", add_completion=False)
_log = structlog.get_logger(__name__)


@app.callback(invoke_without_command=True)
def operator(
    *,
    platform: Annotated[
        Path, typer.Option(envvar="INSULA_PLATFORM", help="The provider's settings, a YAML file.")
    ] = Path("/etc/insula/platform.yaml"),
    workers: Annotated[int, typer.Option(min=1, max=64, help="Homes looked at at the same time.")] = 16,
    namespace: Annotated[str, typer.Option(help="Where Lease and keys live; empty: the platform's release.")] = "",
    lease: Annotated[bool, typer.Option(help="Lead by a Lease; without, nothing else may be running.")] = True,
    host: Annotated[str, typer.Option(help="Address of health and metrics.")] = "0.0.0.0",  # noqa: S104
    port: Annotated[int, typer.Option(help="Port of health and metrics.")] = 8080,
    ledger: Annotated[
        str, typer.Option(envvar="INSULA_OPERATOR_LEDGER", help="The ledger's URL; empty: usage is not known.")
    ] = "",
    log_level: Annotated[str, typer.Option(envvar="INSULA_LOG_LEVEL", help="DEBUG, INFO, WARNING or ERROR.")] = "INFO",
) -> None:
    """Bring every home to what its Tenant says, and keep it so."""
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    logs.configure(level=log_level)
    settings = load_platform(platform)
    asyncio.run(
        serve(
            Settings(
                settings,
                namespace or settings.release_namespace,
                workers=workers,
                lease=lease,
                host=host,
                port=port,
                ledger=ledger,
            ),
            config.find(),
        )
    )


async def serve(settings: Settings, access: Access) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        LeaseLostError: Somebody else leads now; the process ends so that nothing of it goes on writing.
    """
    with stopping.told_to_stop() as stop:
        await run(settings, access, stop)


async def run(settings: Settings, access: Access, stop: asyncio.Event) -> None:
    """Serve until `stop` is set. See `serve`."""
    metrics = Metrics()
    async with Client(access, meter=metrics.count_call) as client:
        process = Process(client, settings, metrics)
        async with process.health():
            await process.run(stop)


class Process:
    """One operator, standing by or leading."""

    def __init__(self, client: Client, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._elector = Elector(
            client, namespace=settings.namespace, name=LEASE, identity=settings.identity, timing=settings.timing
        )
        fenced = client.fenced(self._elector.may_write) if settings.lease else client
        self._leader = Leader(fenced, settings, metrics)
        self._leading = False
        queue, cluster = self._leader.queue, self._leader.cluster
        metrics.gauge("insula_operator_leading", "1 while this process leads.", lambda: float(self._leading))
        metrics.gauge("insula_operator_queue_depth", "Homes that wait for a worker.", lambda: float(queue.depth))
        metrics.gauge("insula_operator_queue_oldest_seconds", "Wait of the oldest of them.", queue.oldest_s)
        metrics.gauge("insula_operator_failing", "Homes whose last look failed.", lambda: float(queue.failing))
        metrics.gauge("insula_operator_homes_held", "Homes that the brake holds.", self._leader.brake.held)
        metrics.gauges("insula_operator_watch_idle_seconds", "Since a watch last moved.", "resource", cluster.idle_s)
        metrics.gauges("insula_operator_objects", "Objects in the caches.", "resource", cluster.sizes)

    async def run(self, stop: asyncio.Event) -> None:
        """Stand by, lead, give back."""
        if not self._settings.lease:
            return await self._lead(stop)
        await first(self._elector.acquire(), stop.wait())
        try:
            if not stop.is_set():
                await first(self._elector.keep(), self._lead(stop))
        except* LeaseLostError as group:
            # A worker's and the elector's own discovery of the same thing are one error to whoever reads it.
            raise LeaseLostError(f"this operator stops: {_first_leaf(group)}") from group
        finally:
            await self._elector.release()
            _log.info("operator_stopped")

    @contextlib.asynccontextmanager
    async def health(self) -> AsyncIterator[int]:
        """Serve health and metrics; yield the port."""
        application = health.application(self._metrics.registry, unready=self.unready, unhealthy=self.unhealthy)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._settings.host, self._settings.port)
            await site.start()
            port = runner.addresses[0][1]
            _log.info("operator_started", identity=self._settings.identity, port=port)
            yield port
        finally:
            await runner.cleanup()

    def unready(self) -> list[str]:
        """Say in words what is not as it must be; a stand-by is ready when it could take over."""
        if self._leading:
            return self._leader.unready()
        silent_s = time.monotonic() - self._elector.asked_at
        return [f"the API server has not answered for {silent_s:.0f} s"] if silent_s > CONTACT_S else []

    def unhealthy(self) -> list[str]:
        """Say in words what only a restart can mend."""
        return self._leader.unhealthy()

    async def _lead(self, stop: asyncio.Event) -> None:
        self._leading = True
        try:
            await self._leader.lead(stop)
        finally:
            self._leading = False


def _first_leaf(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first_leaf(first) if isinstance(first, BaseExceptionGroup) else first
