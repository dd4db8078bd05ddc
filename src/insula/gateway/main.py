"""`insula gateway`: reads its settings, puts the parts together, serves until it is told to stop, then drains."""

import asyncio
import contextlib
import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer
import uvloop
from aiohttp import web

from insula.gateway import admin, forwarding
from insula.gateway.admission import FairAdmission
from insula.gateway.answers import CAPACITY_BYTES, Answers
from insula.gateway.caching import Caching
from insula.gateway.claims import Claims
from insula.gateway.parts import Accounting, Known
from insula.gateway.records import Records
from insula.gateway.remembering import Remembered
from insula.gateway.replicas import Relay
from insula.gateway.room import Room
from insula.gateway.rousing import Rouser
from insula.gateway.server import Gateway
from insula.gateway.waking import Waker
from insula.kube import config
from insula.kube.client import Client
from insula.services import logs, stopping

# How long an idle connection of a client is kept open.
KEEP_ALIVE_S: Final = 75.0
MIB: Final = 1024 * 1024
# A request makes some hundreds of objects, of which few outlive it: a look at the young ones pays when there are many.
YOUNG_OBJECTS: Final = 10_000

app = typer.Typer(help="The one door to every Ollama.", add_completion=False)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Settings:
    """What `insula gateway` was started with. Times in seconds."""

    host: str
    port: int
    admin_port: int
    keys: Path
    drain_delay_s: float
    drain_s: float
    ledger: str = ""
    slots: int = 4
    cache_bytes: int = CAPACITY_BYTES
    own_address: str = ""
    namespace: str = ""
    service: str = ""


@app.callback(invoke_without_command=True)
def gateway(
    *,
    host: Annotated[str, typer.Option(envvar="INSULA_GATEWAY_HOST", help="Address to listen on.")] = "0.0.0.0",  # noqa: S104
    port: Annotated[int, typer.Option(envvar="INSULA_GATEWAY_PORT", help="Port for homes.")] = 11434,
    admin_port: Annotated[int, typer.Option(envvar="INSULA_GATEWAY_ADMIN_PORT", help="Health and metrics.")] = 8080,
    keys: Annotated[
        Path, typer.Option(envvar="INSULA_GATEWAY_KEYS", help="File of verify keys, read again when it changes.")
    ] = Path("/etc/insula/keys/keys.json"),
    drain_delay: Annotated[
        float, typer.Option(envvar="INSULA_GATEWAY_DRAIN_DELAY", help="Seconds from not ready to not listening.")
    ] = 5.0,
    drain: Annotated[
        float, typer.Option(envvar="INSULA_GATEWAY_DRAIN", help="Seconds that running answers may still take.")
    ] = 120.0,
    ledger: Annotated[
        str, typer.Option(envvar="INSULA_GATEWAY_LEDGER", help="The ledger's URL; empty: nothing is accounted.")
    ] = "",
    slots: Annotated[
        int, typer.Option(envvar="INSULA_GATEWAY_SLOTS", min=1, max=1024, help="Prompts computed at a time on a node.")
    ] = 4,
    cache_mib: Annotated[
        int,
        typer.Option(envvar="INSULA_GATEWAY_CACHE_MIB", min=0, help="Room for answers that are told again; 0: none."),
    ] = CAPACITY_BYTES // MIB,
    own_address: Annotated[str, typer.Option(envvar="POD_IP", help="Where the other replicas reach this one.")] = "",
    namespace: Annotated[str, typer.Option(envvar="POD_NAMESPACE", help="Where the gateway's Service is.")] = "",
    service: Annotated[
        str, typer.Option(envvar="INSULA_GATEWAY_SERVICE", help="Its name; empty: this replica works alone.")
    ] = "",
    log_level: Annotated[str, typer.Option(envvar="INSULA_LOG_LEVEL", help="DEBUG, INFO, WARNING or ERROR.")] = "INFO",
) -> None:
    """Authenticate, admit and stream the requests of all homes to their own Ollama."""
    logs.configure(level=log_level)
    # What is loaded by now stays. To look through it for garbage takes tens of ms, in which no stream goes on.
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
    settings = Settings(
        host=host,
        port=port,
        admin_port=admin_port,
        keys=keys,
        drain_delay_s=drain_delay,
        drain_s=drain,
        ledger=ledger,
        slots=slots,
        cache_bytes=cache_mib * MIB,
        own_address=own_address if service else "",
        namespace=namespace,
        service=service,
    )
    uvloop.run(serve(settings, config.find()))


async def serve(settings: Settings, access: config.Access) -> None:
    """Serve the homes of the cluster that `access` opens until SIGTERM or SIGINT, then drain."""
    known = Known(keys=settings.keys, own_address=settings.own_address, port=settings.port)
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(forwarding.open_session())
        client = await stack.enter_async_context(Client(access))
        accounting = Accounting(settings.ledger, session, known.registry, port=settings.port)
        remembered = Remembered(session, time.monotonic)
        stack.push_async_callback(remembered.close)
        answers = Answers(time.monotonic, capacity_bytes=settings.cache_bytes)
        cache = Caching(answers, remembered, known.registry)
        claims = Claims(client, known.activities)
        rouser = Rouser(known.directory, known.activities, claims, session, known.registry)
        waker = Waker(known.directory, known.activities, claims, rouser)
        stack.push_async_callback(claims.close)
        stack.push_async_callback(waker.close)
        door = Gateway(
            keys=known.keyring,
            directory=known.directory,
            admission=FairAdmission(settings.slots, known.directory, known.registry, time.monotonic),
            session=session,
            remembered=remembered,
            records=Records(structlog.get_logger("insula.gateway").bind(), known.registry),
            relay=Relay(known.replicas, session, known.registry),
            room=Room(known.registry),
            meter=accounting.meter,
            cache=cache,
            batches=accounting.batches,
            own=accounting.own,
            waking=waker,
        )
        second = admin.application(known.readiness, known.registry, cache.statistics)
        await _work(settings, client, known=known, accounting=accounting, door=door, second=second)


async def _work(
    settings: Settings,
    client: Client,
    *,
    known: Known,
    accounting: Accounting,
    door: Gateway,
    second: web.Application,
) -> None:
    """Keep what is known current and hand in what is counted, for as long as homes are served."""
    async with asyncio.TaskGroup() as group:
        following = known.watches.run(client, namespace=settings.namespace, service=settings.service)
        tasks = [group.create_task(known.keyring.keep_fresh()), group.create_task(following)]
        tasks += [group.create_task(accounting.handing_in.run())] if accounting.is_on else []
        running = [group.create_task(accounting.runner.run())] if accounting.is_on else []
        await _serve_and_drain(door, known.readiness, second, settings, running)
        for task in tasks:
            task.cancel()
    if accounting.is_on:
        await accounting.handing_in.last()


async def _serve_and_drain(
    door: Gateway,
    readiness: admin.Readiness,
    second: web.Application,
    settings: Settings,
    running: Sequence[asyncio.Task[None]],
) -> None:
    health = web.AppRunner(second, access_log=None)
    homes = web.AppRunner(
        door.application(),
        access_log=None,
        # A client that leaves ends its handler, which closes the way to Ollama, which stops computing for nobody.
        handler_cancellation=True,
        keepalive_timeout=KEEP_ALIVE_S,
        shutdown_timeout=settings.drain_s,
    )
    try:
        await _listen(health, settings.host, settings.admin_port)
        await _listen(homes, settings.host, settings.port)
        _log.info("gateway_started", port=settings.port, admin_port=settings.admin_port)
        with stopping.told_to_stop() as stop:
            await stop.wait()
        readiness.draining = True
        for task in running:  # others take up what it lets go
            task.cancel()
        _log.info("gateway_draining", delay_s=settings.drain_delay_s, at_most_s=settings.drain_s)
        # New requests still come until every node has heard that this pod is going.
        await asyncio.sleep(settings.drain_delay_s)
    finally:
        await homes.cleanup()
        await health.cleanup()
        _log.info("gateway_stopped")


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    await runner.setup()
    await web.TCPSite(runner, host, port, backlog=1024).start()
