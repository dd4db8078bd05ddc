"""How soon an operator is back: started again with many homes, or taking over from a leader that was killed."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bench.common import processes
from bench.common.figures import Figure
from bench.ladder import audit, operators
from bench.ladder import world as worlds
from bench.ladder.operators import Operator
from bench.ladder.shares import Shares
from bench.ladder.world import World

RESTART_GOALS_S: Final = {5000: 30.0}
FAILOVER_GOAL_S: Final = 10.0
PATIENCE_S: Final = 300.0

Tell = Callable[[str], None]


@dataclass
class Restart:
    """One restart: seconds from the start of the process."""

    leading_s: float
    caught_up_s: float
    writes: int
    peak_mib: float
    limited_by: str


async def restart(world: World, count: int, tell: Tell) -> Restart:
    """Start an operator where nothing changed; it has caught up when it has looked at every home and none waits."""
    log = audit.Log(world.server.audit_log)
    begun_at = time.monotonic()
    async with operators.running(world, "restart") as operator:
        shares = Shares({**world.server.processes, "operator": operator.process.pid})
        await operators.until("it leads", operator.is_leading)
        leading_s = time.monotonic() - begun_at
        await operators.until("it has looked at every home", lambda: operator.is_idle(count))
        caught_up_s = time.monotonic() - begun_at
        limited_by = shares.text()
        peak_mib = processes.resident_mib(operator.process.pid, "VmHWM")
    written = sum(write.is_operators for write in log.writes())
    tell(f"restarted: leads after {leading_s:.1f} s, caught up after {caught_up_s:.1f} s, {written} writes")
    return Restart(leading_s, caught_up_s, written, peak_mib, limited_by)


def restart_figures(done: list[Restart], count: int) -> list[Figure]:
    """Return the figures of some restarts with `count` homes."""
    return [
        Figure(
            f"restart_caught_up_seconds_{count}",
            [each.caught_up_s for each in done],
            "s",
            goal=RESTART_GOALS_S.get(count),
            limited_by=done[-1].limited_by,
        ),
        Figure(f"restart_leading_seconds_{count}", [each.leading_s for each in done], "s"),
        Figure(f"restart_writes_{count}", [each.writes for each in done], "writes", goal=0.0),
        Figure(f"restart_rss_peak_mib_{count}", [each.peak_mib for each in done], "MiB"),
    ]


async def failovers(world: World, times: int, tell: Tell) -> list[float]:
    """Kill the leader so many times; return the seconds until a Tenant made at that moment has all its objects."""
    pair = [await operators.start(world, "a"), await operators.start(world, "b")]
    taken: list[float] = []
    try:
        await operators.until("one leads", lambda: _one_leads(pair))
        for number in range(1, times + 1):
            leader = pair[0] if await pair[0].is_leading() else pair[1]
            other = pair[1] if leader is pair[0] else pair[0]
            await operators.until("the other stands by", other.is_ready)
            await asyncio.sleep(operators.STANDING_BY_S)
            taken.append(await _failover(world, leader, f"failover-{int(time.time())}"))
            tell(f"failover {number}: {taken[-1]:.2f} s")
            await operators.stop(leader)
            pair = [other, await operators.start(world, "ab"[number % 2])]
    finally:
        for operator in pair:
            await operators.stop(operator)
    return taken


async def _failover(world: World, leader: Operator, name: str) -> float:
    log = audit.Log(world.server.audit_log)
    killed_at = time.time()  # the clock of the log
    leader.kill()
    await world.client.create(worlds.tenant(name))
    writes: list[audit.Write] = []
    wanted = worlds.objects()

    async def made() -> bool:
        writes.extend(write for write in log.writes() if write.tenant == name or write.resource == "tenants")
        return any(making.tenant == name for making in audit.makings(writes, wanted))

    await operators.until("the next one works", made, within_s=PATIENCE_S)
    asked_at = next(write.asked_at for write in writes if write.resource == "tenants" and write.name == name)
    return next(audit.makings(writes, wanted)).whole_s + asked_at - killed_at


async def _one_leads(pair: list[Operator]) -> bool:
    return await pair[0].is_leading() or await pair[1].is_leading()


def failover_figure(taken: list[float], count: int) -> Figure:
    """Return the figure of some takeovers."""
    return Figure(
        "leader_failover_seconds",
        taken,
        "s",
        goal=FAILOVER_GOAL_S,
        limited_by=f"the Lease's duration, and first looks at {count} homes",
    )
