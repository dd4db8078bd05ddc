"""The gateway under twenty homes and random faults: what is left over when all is quiet again.

    python -m bench.soak --minutes 30

Two replicas of the gateway and a ledger run as processes of their own. The API server and the Ollamas are stand-ins
(see `bench.soaking`): faults are what is tried here, and Ollamas of this kind fail on purpose. One replica is killed
now and then, and so is the ledger; the other lives throughout and is weighed.
"""

import asyncio
import contextlib
import random
import statistics
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import aiohttp
import typer

from api.server import free_port
from bench.common import figures, serving
from bench.common.figures import Figure
from bench.soaking import street as streets
from bench.soaking.callers import Caller, Seen
from bench.soaking.doors import Door, Program, a_door
from bench.soaking.ollamas import Ollama
from bench.soaking.street import Street
from insula.services.keys import SigningKeys

RESULTS: Final = Path(__file__).parent / "results" / "soak.json"
STEADY, DOOMED = "127.0.0.2", "127.0.0.3"
QUIET_S: Final = 20.0
WEIGH_EVERY_S: Final = 5.0
WARM_S: Final = 60.0  # what a replica needs before it weighs what it weighs
LEFT_OVER: Final = ("requests_in_flight", "queue_running", "queue_waiting")


@dataclass
class Soak:
    """One run."""

    street: Street
    steady: Door
    doomed: Door
    ledger: Program
    ollamas: list[Ollama]
    signing: SigningKeys
    chance: random.Random
    seen: Seen = field(default_factory=Seen)
    faults: Counter[str] = field(default_factory=Counter)


def main(
    *,
    minutes: Annotated[float, typer.Option(help="How long.")] = 30.0,
    homes: Annotated[int, typer.Option(help="How many.")] = 20,
    fault_share: Annotated[float, typer.Option(help="Of how many answers an Ollama fails, of 1.")] = 0.1,
    fault_every_s: Annotated[float, typer.Option(help="Seconds between two deaths, on average.")] = 30.0,
    seed: Annotated[int, typer.Option(help="Where chance begins.")] = 1,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = RESULTS,
) -> None:
    """Soak, write what was left over, and print it."""
    found = asyncio.run(_soak(minutes * 60, homes, fault_share, fault_every_s, random.Random(seed)))
    figures.merge(out, found)
    figures.show(found)


async def _soak(
    seconds: float, count: int, fault_share: float, fault_every_s: float, chance: random.Random
) -> list[Figure]:
    async with contextlib.AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="insula-soak-")))
        admin = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)))
        soak = await stack.enter_async_context(_built(directory, count, fault_share, chance))
        for program in (soak.ledger, soak.steady.program, soak.doomed.program):
            stack.push_async_callback(program.end, kill=True)
            await program.start()
        await asyncio.sleep(2.0)
        sockets = soak.steady.sockets()
        over = asyncio.Event()
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
            asyncio.TaskGroup() as tasks,
        ):
            for caller in _callers(soak, session):
                tasks.create_task(caller.call_until(over))
            tasks.create_task(_strike(soak, over, fault_every_s))
            tasks.create_task(_weigh(soak.steady, over))
            await asyncio.sleep(seconds)
            over.set()
        await asyncio.sleep(QUIET_S)
        left = {name: await soak.steady.metric(admin, f"insula_gateway_{name}") for name in LEFT_OVER}
        return list(_figures(soak, seconds, left, soak.steady.sockets() - sockets))


@contextlib.asynccontextmanager
async def _built(directory: Path, count: int, fault_share: float, chance: random.Random) -> AsyncIterator[Soak]:
    signing = SigningKeys.generate()
    (directory / "keys.json").write_text(signing.verify_keys_json())
    async with contextlib.AsyncExitStack() as stack:
        ollamas = [Ollama("", fault_share, random.Random(chance.random())) for _ in range(count)]
        ports = [await stack.enter_async_context(serving.serving(ollama.application())) for ollama in ollamas]
        street = streets.a_street(count, [("127.0.0.1", port) for port in ports], [STEADY, DOOMED])
        for home, ollama in zip(street.homes, ollamas, strict=True):
            ollama.secret = home.secret
        api = await stack.enter_async_context(serving.serving(street.application()))
        ledger_port, ledger_admin, port, admin_port = (free_port() for _ in range(4))
        kubeconfig = serving.write_kubeconfig(directory / "kubeconfig", f"http://127.0.0.1:{api}")
        settings = {
            "KUBECONFIG": str(kubeconfig),
            "INSULA_GATEWAY_KEYS": str(directory / "keys.json"),
            "INSULA_GATEWAY_LEDGER": f"http://127.0.0.1:{ledger_port}",
            "INSULA_GATEWAY_SERVICE": streets.SERVICE,
            "POD_NAMESPACE": streets.RELEASE,
        }
        steady, doomed = (
            a_door(address, port=port, admin_port=admin_port, settings=settings, directory=directory)
            for address in (STEADY, DOOMED)
        )
        (directory / "ledger.url").write_text(f"sqlite:///{directory / 'ledger.sqlite3'}")
        book = {
            "INSULA_LEDGER_URL_FILE": str(directory / "ledger.url"),
            "INSULA_LEDGER_HOST": "127.0.0.1",
            "INSULA_LEDGER_PORT": str(ledger_port),
            "INSULA_LEDGER_ADMIN_PORT": str(ledger_admin),
        }
        ledger = Program(["ledger"], book, f"http://127.0.0.1:{ledger_admin}/readyz", directory / "ledger.log")
        yield Soak(street, steady, doomed, ledger, ollamas, signing, chance)


def _callers(soak: Soak, session: aiohttp.ClientSession) -> list[Caller]:
    urls = [soak.steady.url, soak.doomed.url]
    return [
        Caller(
            home=home,
            key=soak.signing.tenant_key(home.tenant_id, 1),
            others=[other.secret for other in soak.street.homes if other is not home],
            urls=urls,
            session=session,
            chance=random.Random(soak.chance.random()),
            seen=soak.seen,
        )
        for home in soak.street.homes
        for _ in range(2)
    ]


async def _strike(soak: Soak, over: asyncio.Event, every_s: float) -> None:
    """Let the replica that is doomed, or the ledger, die and come back, until it is over."""
    while not over.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), soak.chance.expovariate(1 / every_s))
            return
        what = soak.chance.choice(("replica killed", "replica stopped", "ledger killed"))
        soak.faults[what] += 1
        program = soak.ledger if what.startswith("ledger") else soak.doomed.program
        await program.end(kill=what.endswith("killed"))
        if program is soak.doomed.program:
            streets.show_doors(soak.street, [STEADY])
        await asyncio.sleep(soak.chance.uniform(0.5, 5.0))
        await program.start()
        streets.show_doors(soak.street, [STEADY, DOOMED])


async def _weigh(door: Door, over: asyncio.Event) -> None:
    while not over.is_set():
        door.weigh()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), WEIGH_EVERY_S)


def _figures(soak: Soak, seconds: float, left: dict[str, float], sockets: int) -> list[Figure]:
    weights = soak.steady.resident_mib[int(WARM_S // WEIGH_EVERY_S) :] or soak.steady.resident_mib
    third = max(1, len(weights) // 3)
    growth = statistics.median(weights[-third:]) - statistics.median(weights[:third])
    done = sum((ollama.done for ollama in soak.ollamas), Counter[str]())
    told = ", ".join(f"{what} {number}" for what, number in (*soak.faults.items(), *done.items()))
    return [
        Figure("soak_minutes", [seconds / 60], "min", limited_by=f"{len(soak.street.homes)} homes; {told}"),
        Figure("soak_requests", [soak.seen.requests], "requests", limited_by=str(dict(soak.seen.statuses))),
        Figure("soak_answers_with_anothers_bytes", [len(soak.seen.strangers)], "answers", goal=0.0),
        Figure("soak_failures_of_the_gateways_own", [len(soak.seen.failures)], "answers", goal=0.0),
        Figure("soak_resident_mib", weights, "MiB"),
        Figure(
            "soak_resident_growth_mib", [growth], "MiB", goal=2.0, limited_by="last third less first, after a minute"
        ),
        Figure("soak_sockets_left", [sockets], "sockets", goal=0.0),
        *(Figure(f"soak_{name}_left", [number], "prompts", goal=0.0) for name, number in left.items()),
    ]


if __name__ == "__main__":
    typer.run(main)
