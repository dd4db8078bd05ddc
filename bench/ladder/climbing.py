"""The ladder: homes by the thousand, what each costs in calls, what the operator weighs, and its silence at rest."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from bench.common import processes
from bench.common.figures import Figure
from bench.ladder import audit, operators, players, tenants
from bench.ladder import world as worlds
from bench.ladder.operators import Operator
from bench.ladder.shares import Shares
from bench.ladder.tenants import Watcher
from bench.ladder.world import World

MEMORY_GOALS_MIB: Final = {5000: 512.0, 10000: 1024.0}
CALM_S: Final = 5.0  # after the last home is ready: its last status is written
WEIGHINGS: Final = 10  # … one a second

Tell = Callable[[str], None]


@dataclass
class Rung:
    """One step of the ladder, reached."""

    tenants: int
    made: int
    """How many of them this run made; 0: an earlier one had."""
    calls: dict[str, int] = field(default_factory=dict)
    looks: int = 0
    transitions: int = 0
    seconds: float = 0.0
    resident_mib: list[float] = field(default_factory=list)
    peak_mib: float = 0.0
    limited_by: str = ""

    @property
    def over_objects(self) -> float:
        """Calls for each tenant made, less its objects."""
        return sum(self.calls.values()) / self.made - len(worlds.objects(whole=True))


async def climb(
    world: World, operator: Operator, watcher: Watcher, count: int, tell: Tell, *, weighings: int = WEIGHINGS
) -> Rung:
    """Grow to `count` homes that are ready, and weigh the operator."""
    await operators.until("what there was is looked at", lambda: operator.is_idle(watcher.known))
    before, transitions = await operator.metrics(), watcher.transitions
    shares = Shares({**world.server.processes, "operator": operator.process.pid})
    loop = asyncio.get_running_loop()
    begun_at, had = loop.time(), watcher.known
    async with players.playing(world.client):
        names = [worlds.name_of(number) for number in range(1, count + 1)]
        new = [name for name in names if name not in watcher.names]
        await tenants.grow(world.client, new, watcher, tell=tell)
        await watcher.until_ready(count, tell=tell)
        await asyncio.sleep(CALM_S)
    rung = Rung(count, made=watcher.known - had, seconds=loop.time() - begun_at, limited_by=shares.text())
    after = await operator.metrics()
    rung.calls = {what: calls for what, calls in _difference(after.calls(), before.calls()).items() if calls}
    counted = "insula_operator_look_seconds_count"
    rung.looks = int(after.sum(counted) - before.sum(counted))
    rung.transitions = watcher.transitions - transitions
    for _ in range(weighings):
        rung.resident_mib.append(processes.resident_mib(operator.process.pid))
        await asyncio.sleep(1.0)
    rung.peak_mib = processes.resident_mib(operator.process.pid, "VmHWM")
    return rung


def rung_figures(rung: Rung) -> Iterator[Figure]:
    """Yield what one rung showed."""
    size = rung.tenants
    yield Figure(
        f"operator_rss_mib_{size}",
        rung.resident_mib,
        "MiB",
        goal=MEMORY_GOALS_MIB.get(size),
        limited_by=f"the caches: {len(worlds.objects(whole=True)) + 4} objects a home",
    )
    yield Figure(f"operator_rss_peak_mib_{size}", [rung.peak_mib], "MiB")
    if rung.made:
        yield Figure(f"homes_ready_per_s_{size}", [rung.made / rung.seconds], "1/s", limited_by=rung.limited_by)


def calls_figure(rungs: list[Rung]) -> Figure:
    """Return the calls above one for each object; goal: one for each transition of a condition, and one more."""
    grown = [rung for rung in rungs if rung.made]
    transitions = sum(rung.transitions for rung in grown) / sum(rung.made for rung in grown)
    latest = grown[-1]
    most = sorted(latest.calls.items(), key=lambda each: -each[1])
    named = ", ".join(f"{what} {calls / latest.made:.2f}" for what, calls in most if _is_overhead(what))
    return Figure(
        "api_calls_per_tenant_over_objects",
        [rung.over_objects for rung in grown],
        "calls",
        goal=round(transitions + 1, 2),
        limited_by=f"besides one for each of {len(worlds.objects(whole=True))} objects: {named}",
    )


def _is_overhead(what: str) -> bool:
    verb, _, resource = what.partition(" ")
    return verb == "get" or resource in ("tenants", "events", "namespaces")


async def rest(world: World, operator: Operator, seconds: float, tell: Tell) -> list[audit.Write]:
    """Do nothing for a while; return what was written all the same, but for Leases."""
    log = audit.Log(world.server.audit_log)
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    found: list[audit.Write] = []
    while (left := end - loop.time()) > 0:
        await asyncio.sleep(min(left, 30.0))
        found += [write for write in log.writes() if write.resource != "leases"]
        tell(f"{max(0.0, end - loop.time()):.0f} s of rest are left, {len(found)} writes so far")
    if operator.process.returncode is not None:
        raise RuntimeError("the operator has ended: its silence counts for nothing")
    return found


def rest_figure(written: list[audit.Write], seconds: float, count: int) -> Figure:
    """Return how much was written at rest."""
    length = f"{seconds / 60:.0f}min" if seconds >= 60 else f"{seconds:.0f}s"  # noqa: PLR2004
    told = f": {', '.join(map(str, written[:3]))}" if written else ""
    return Figure(
        f"writes_at_rest_{length}", [len(written)], "writes", goal=0.0, limited_by=f"{count} homes at rest{told}"
    )


def _difference(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {what: calls - before.get(what, 0) for what, calls in after.items()}
