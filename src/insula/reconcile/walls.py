"""When a home's walls are tried, and what is remembered of it. Nothing is written between two tries."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from insula.domain import times
from insula.domain.errors import cap
from insula.domain.platform import Platform
from insula.domain.situation import Memory, Walls
from insula.reconcile import reading
from insula.reconcile.facts import Facts
from insula.reconcile.job_reports import JobState

# What is not green is tried again soon: it may be repaired by now.
AGAIN_S: Final = 300.0
# A home of this age that was never tried waits for its turn: after an upgrade thousands would come at once.
NEW_S: Final = 3600.0
HOUR_S: Final = 3600.0
NAMED: Final = 3  # paths that are remembered by name
SEPARATOR: Final = " near "


def due_in_s(name: str, memory: Memory, platform: Platform, *, made: str, now: datetime) -> float | None:
    """Return the seconds until the walls are to be tried, 0: now; None: never.

    Each home has a time of its own within the interval, from its name, so that they do not come all at once.

    Args:
        name: The tenant's name.
        memory: What is known of the last try.
        platform: With the interval.
        made: When the namespace was made, as Kubernetes wrote it.
        now: The time.
    """
    interval_s = platform.probe_every_hours * HOUR_S
    if not interval_s:
        return None
    walls = memory.walls
    passed_s = reading.seconds_since(walls.at, now)
    if not walls.at and (not made or reading.seconds_since(made, now) < NEW_S):
        return 0.0
    if walls.open or walls.shut:
        return max(0.0, AGAIN_S - passed_s)
    since_turn_s = (now.timestamp() - _share(name) * interval_s) % interval_s
    missed = passed_s > since_turn_s if walls.at else since_turn_s < NEW_S
    return 0.0 if missed else interval_s - since_turn_s


def purpose(memory: Memory, neighbour: str, facts: Facts) -> str:
    """Return what the next probe Jobs are for: their number in time, and whom they try; one under way keeps it."""
    turn = _turn(memory)
    for report in facts.probes:
        if report.purpose.partition(SEPARATOR)[0] == turn:
            return report.purpose
    return turn + (f"{SEPARATOR}{neighbour}" if neighbour else "")


def has_begun(memory: Memory, facts: Facts) -> bool:
    """Say whether probe Jobs of the present turn stand."""
    return any(each.purpose.partition(SEPARATOR)[0] == _turn(memory) for each in facts.probes)


def neighbour_of(purpose: str) -> str:
    """Return whom a purpose tries, empty: nobody."""
    return purpose.partition(SEPARATOR)[2]


def remember(memory: Memory, facts: Facts, now: datetime) -> Memory:
    """Return the memory with the result of probe Jobs that have all ended, and were asked for after the last one."""
    of_this_turn = all(each.purpose.partition(SEPARATOR)[0] == _turn(memory) for each in facts.probes)
    if not of_this_turn or any(each.state is not JobState.SUCCEEDED for each in facts.probes):
        return memory
    said = [each.result for each in facts.probes]
    return replace(
        memory,
        walls=Walls(
            at=times.written(now),
            tried=sum(_count(each) for each in said),
            open=_paths(said, "open"),
            shut=_paths(said, "shut"),
        ),
    )


def _turn(memory: Memory) -> str:
    return f"after {memory.walls.at or 'nothing'}"


def _share(name: str) -> float:
    """Return a tenant's place in the interval, from 0 to 1."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32


def _count(said: Mapping[str, Any]) -> int:
    tried = said.get("tried", 0)
    return tried if isinstance(tried, int) else 0


def _paths(said: list[Mapping[str, Any]], key: str) -> tuple[str, ...]:
    found = [cap(str(path)) for each in said if isinstance(each.get(key), list) for path in each[key]]
    return tuple(found[:NAMED])
