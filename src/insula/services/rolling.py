"""Who may restart now: a change that is not a tenant's own, of a plan or of the platform, goes through homes at a pace.

The plan says how many of its homes may be down at once. A home that does not come up again counts as down, so a change
that breaks homes stops by itself. Where each home stands is seen at each look at it; nothing is stored.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from insula.domain.tenants import Pace
from insula.reconcile.model import Turn


@dataclass(frozen=True)
class Counts:
    """How far a plan is: its homes, those that wait for their turn, and those that are down, by name."""

    homes: int = 0
    waiting: frozenset[str] = frozenset()
    down: frozenset[str] = frozenset()


@dataclass
class _Roll:
    """The homes of one plan. `unseen` were not looked at yet and count as down; `granted` have their turn."""

    homes: set[str] = field(default_factory=set)
    unseen: set[str] = field(default_factory=set)
    down: set[str] = field(default_factory=set)
    waiting: dict[str, None] = field(default_factory=dict)  # in order of arrival
    granted: set[str] = field(default_factory=set)

    def forget(self, name: str) -> None:
        for group in (self.homes, self.unseen, self.down):
            group.discard(name)
        self.waiting.pop(name, None)


class Roster:
    """Gives turns.

    Args:
        pace_of: Returns the pace of a plan.
        wake: Is called with homes whose turn has come.
    """

    def __init__(self, pace_of: Callable[[str], Pace], *, wake: Callable[[str], None] = lambda _name: None) -> None:
        self._pace_of = pace_of
        self._wake = wake
        self._rolls: dict[str, _Roll] = {}
        self._plan: dict[str, str] = {}

    def expect(self, name: str, plan: str) -> None:
        """Count a home that was not looked at yet."""
        roll = self._enter(name, plan)
        roll.unseen.add(name)

    def may_restart(self, name: str) -> bool:
        """Say whether a home has its turn."""
        return name in self._rolls[self._plan[name]].granted if name in self._plan else False

    def note(self, name: str, turn: Turn | None) -> None:
        """Take note of how a home stands after a look at it; `None`: it has nothing that runs."""
        before = self._plan.get(name)
        if turn is None:
            self._leave(name)
        else:
            roll = self._enter(name, turn.plan)
            if turn.is_down:
                roll.down.add(name)
            if turn.waits:
                roll.waiting[name] = None
            else:
                roll.granted.discard(name)
        for plan in {before, turn.plan if turn else None} - {None}:
            self._grant(str(plan), name)

    def counts(self, plan: str) -> Counts | None:
        """Return how far a plan is; `None` while some of its homes were not looked at yet."""
        roll = self._rolls.get(plan)
        if roll is None:
            return Counts()
        return None if roll.unseen else Counts(len(roll.homes), frozenset(roll.waiting), frozenset(roll.down))

    def _grant(self, plan: str, name: str) -> None:
        """Give turns, after something has changed about one home."""
        roll = self._rolls.get(plan)
        if roll is None or not roll.waiting:
            return
        if name in roll.waiting and name in roll.down:
            # Who is down loses nothing by a restart, and may be cured by it.
            self._give(roll, name)
        most = self._pace_of(plan).of(len(roll.homes))
        if len(roll.unseen) >= most:
            return
        free = most - len(roll.down | roll.unseen | roll.granted)
        due = (other for other in roll.waiting if other not in roll.granted)
        for other in list(itertools.islice(due, max(0, free))):
            self._give(roll, other)

    def _give(self, roll: _Roll, name: str) -> None:
        if name not in roll.granted:
            roll.granted.add(name)
            self._wake(name)

    def _enter(self, name: str, plan: str) -> _Roll:
        if self._plan.get(name, plan) != plan:
            self._leave(name)
        roll = self._rolls.setdefault(plan, _Roll())
        roll.forget(name)  # but for a turn that it was given
        roll.homes.add(name)
        self._plan[name] = plan
        return roll

    def _leave(self, name: str) -> None:
        plan = self._plan.pop(name, None)
        if plan is None:
            return
        roll = self._rolls[plan]
        roll.forget(name)
        roll.granted.discard(name)
        if not roll.homes:
            del self._rolls[plan]
