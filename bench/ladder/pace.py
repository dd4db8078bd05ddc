"""From a Tenant to all its objects at a steady pace of creations, beside a plain client that applies the same."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.common.figures import Figure
from bench.ladder import audit, operators, tenants
from bench.ladder import world as worlds
from bench.ladder.peer import Floor, Peer
from bench.ladder.shares import Shares
from bench.ladder.world import World

GOAL_P99_S: Final = 1.5
FLOOR_HOMES: Final = 100
FLOOR_HANDS: Final = 8
DRAIN_S: Final = 900.0


@dataclass
class Round:
    """One stretch of creations, and the plain client's before it."""

    per_s: float
    peer_s: list[float]
    homes: list[audit.Making]
    limited_by: str
    refused: int


@dataclass
class Paced:
    """All rounds, and what the plain client reached flat out."""

    creating: Floor
    unchanged: Floor
    rounds: list[Round] = field(default_factory=list)


async def measure(world: World, *, count: int, rounds: int, per_s: float, tell: Callable[[str], None]) -> Paced:
    """Create `count` Tenants `rounds` times at a pace, each time after the plain client has made as many homes.

    No controller is played: a home comes as far as its objects.
    """
    peer = Peer(world.client.access)
    try:
        floor = [f"floor-{number}" for number in range(FLOOR_HOMES)]
        paced = Paced(
            await peer.flat_out(floor, hands=FLOOR_HANDS),
            await peer.flat_out(floor, hands=FLOOR_HANDS),
        )
        tell(f"a plain client: {paced.creating.applies_per_s:.0f} creating applies a second")
        for number in range(1, rounds + 1):
            homes = [f"peer-{number}-{each}" for each in range(count)]
            plain = await peer.at_pace(homes, per_s=per_s)
            paced.rounds.append(await _round(world, number, count, per_s, plain))
            tell(_told(number, paced.rounds[-1]))
    finally:
        await peer.close()
    return paced


async def _round(world: World, number: int, count: int, per_s: float, plain: list[float]) -> Round:
    async with operators.running(world, f"pace-{number}") as operator:
        await operators.until("the operator leads", operator.is_leading)
        before = (await operator.metrics()).sum("insula_operator_look_seconds_count", result="ok")
        log = audit.Log(world.server.audit_log)
        shares = Shares({**world.server.processes, "operator": operator.process.pid})
        reached = await tenants.create(world.client, [f"pace-{number}-{each}" for each in range(count)], per_s=per_s)
        limited_by = shares.text()
        await operators.until("all are looked at", lambda: operator.is_idle(int(before) + count), within_s=DRAIN_S)
    writes = list(log.writes())
    homes = list(audit.makings(writes, worlds.objects()))
    if len(homes) < count:
        raise RuntimeError(f"{count - len(homes)} of {count} homes have not all their objects")
    refused = sum(write.is_operators and not write.is_done for write in writes)
    return Round(reached, plain, homes, limited_by, refused)


def figures(paced: Paced, *, per_s: float) -> Iterator[Figure]:
    """Yield the figures of all rounds."""
    pace = f"at_{per_s:g}_per_s"
    for share, goal in ((0.5, None), (0.99, GOAL_P99_S)):
        percent = f"p{share * 100:.0f}"
        yield Figure(
            f"applied_{percent}_seconds_{pace}",
            [quantile([home.whole_s for home in each.homes], share) for each in paced.rounds],
            "s",
            goal=goal,
            peer=statistics.median(quantile(each.peer_s, share) for each in paced.rounds),
            peer_name="plain client, same applies at the same pace",
            limited_by="; ".join(each.limited_by for each in paced.rounds[-1:]),
        )
        served = [quantile([home.server_s for home in each.homes], share) for each in paced.rounds]
        yield Figure(f"applied_server_share_{percent}_seconds_{pace}", served, "s")
    yield Figure(f"creates_reached_{pace}", [each.per_s for each in paced.rounds], "1/s")
    yield Figure("peer_creating_applies_per_s", [paced.creating.applies_per_s], "1/s")
    yield Figure("peer_unchanged_applies_per_s", [paced.unchanged.applies_per_s], "1/s")
    yield Figure("peer_client_ms_per_apply", [paced.creating.client_ms], "ms")


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _told(number: int, done: Round) -> str:
    ours, plain = (quantile(values, 0.99) for values in ([home.whole_s for home in done.homes], done.peer_s))
    return f"round {number}: p99 {ours:.2f} s, plain client {plain:.2f} s; {done.limited_by}"
