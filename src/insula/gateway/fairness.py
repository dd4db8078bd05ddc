"""Whose turn it is where homes share a processor: a virtual counter of computed seconds for each home.

The counter is that of Sheng et al., "Fairness in Serving Large Language Models" (OSDI 2024), in seconds of computing
instead of tokens: a prompt is charged what it is expected to cost when its turn comes, and what it did cost when it is
over. The home with the lowest counter is next. A home that comes back is lifted to the lowest of those who are there,
so nobody saves up turns; what it owes, it still owes.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from insula.domain.inference import Priority
from insula.gateway.lru import Lru

# A prompt of the lower class that has waited so long counts as one that somebody waits for.
AGING_S: Final = 60.0
# Home Assistant answers a model's calls of tools at most ten times for one sentence of a person's.
MAX_CONTINUATIONS: Final = 10
# What a prompt of a home is expected to cost before the first has told, and how fast the expectation follows.
FIRST_ESTIMATE_S: Final = 1.0
FOLLOWING: Final = 0.3
ESTIMATES_KEPT: Final = 4096
DEBTS_KEPT: Final = 4096


@dataclass(eq=False)
class Ticket:
    """One prompt that wants a turn. Times in seconds of one clock.

    Attributes:
        tenant: The home's identity.
        priority: Its class.
        parallel: How many turns the home may have at a time.
        model: What computes it, as the client wrote it: tells what it is expected to cost.
        continues: Whether it goes on with a conversation in which the model called a tool.
        arrived: When it came.
    """

    tenant: str
    priority: Priority
    parallel: int
    model: str
    continues: bool
    arrived: float
    estimate_s: float = FIRST_ESTIMATE_S


@dataclass
class _Home:
    """A home that has prompts here.

    `counter` is what it was charged, `expected` the part of it that is not measured yet; `continued` counts prompts
    that went before others, since the last that did not; `served` says when the last turn was: among equals, who came
    back goes before who has just had one.
    """

    counter: float
    expected: float = 0.0
    waiting: list[Ticket] = field(default_factory=list)
    running: int = 0
    continued: int = 0
    served: int = 0


class Turns:
    """The turns of one contention group: pure bookkeeping, without clock or waiting.

    Args:
        slots: How many prompts are computed at a time.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.running = 0
        self.waiting = 0
        self._given = 0
        self._homes: dict[str, _Home] = {}
        self._debts: Lru[str, float] = Lru(DEBTS_KEPT)  # counters of homes that have nothing here now
        self._floor = 0.0  # where a home that comes begins, unless it owes more
        self._estimates: Lru[tuple[str, str], float] = Lru(ESTIMATES_KEPT)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is computed and nothing waits."""
        return not self._homes

    def waiting_of(self, tenant: str) -> int:
        """Return how many prompts of a home wait."""
        home = self._homes.get(tenant)
        return len(home.waiting) if home else 0

    def enter(self, ticket: Ticket) -> None:
        """Take a prompt into the queue."""
        home = self._homes.get(ticket.tenant)
        if home is None:
            measured = (each.counter - each.expected for each in self._homes.values())
            self._floor = max(self._floor, min(measured, default=self._floor))
            home = self._homes[ticket.tenant] = _Home(max(self._floor, self._debts.get(ticket.tenant) or 0.0))
            self._debts.drop(ticket.tenant)
        estimate_s = self._estimates.get((ticket.tenant, ticket.model))
        ticket.estimate_s = FIRST_ESTIMATE_S if estimate_s is None else estimate_s
        home.waiting.append(ticket)
        self.waiting += 1

    def leave(self, ticket: Ticket) -> None:
        """Forget a prompt whose client went before its turn came."""
        self._homes[ticket.tenant].waiting.remove(ticket)
        self.waiting -= 1
        self._tidy(ticket.tenant)

    def next(self, now: float) -> Ticket | None:
        """Give the next turn; None: no slot is free, or nobody who waits may have one."""
        if self.running >= self.slots:
            return None
        ticket = min(self._candidates(), key=lambda each: self._rank(each, now), default=None)
        if ticket is None:
            return None
        home = self._homes[ticket.tenant]
        home.waiting.remove(ticket)
        home.continued = home.continued + 1 if self._goes_before(ticket) else 0
        home.counter += ticket.estimate_s
        home.expected += ticket.estimate_s
        self._given += 1
        home.served = self._given
        home.running += 1
        self.running += 1
        self.waiting -= 1
        return ticket

    def finish(self, ticket: Ticket, spent_s: float) -> None:
        """Take a turn back, and put what it cost in the place of what it was expected to; 0: nobody used it."""
        home = self._homes[ticket.tenant]
        home.counter += spent_s - ticket.estimate_s
        home.expected -= ticket.estimate_s
        home.running -= 1
        self.running -= 1
        if spent_s > 0:
            self._learn(ticket, spent_s)
        self._tidy(ticket.tenant)

    def ahead_of(self, ticket: Ticket, now: float) -> list[Ticket]:
        """Return those who wait and would have their turn before this one, as things stand."""
        rank = self._rank(ticket, now)
        everyone = (each for home in self._homes.values() for each in home.waiting)
        return [each for each in everyone if each is not ticket and self._rank(each, now) < rank]

    def expected_s(self, ticket: Ticket, ahead: Collection[Ticket]) -> float:
        """Return how long a prompt waits if all cost what they are expected to, and these have their turns before it.

        It waits for a slot, and until its home has fewer turns than it may have.
        """
        home = self._homes.get(ticket.tenant)
        own_s = sum(each.estimate_s for each in ahead if each.tenant == ticket.tenant)
        own_s += home.expected if home else 0.0
        if self.running < self.slots:
            return own_s / ticket.parallel
        running_s = sum(each.expected for each in self._homes.values())
        return max((sum(each.estimate_s for each in ahead) + running_s) / self.slots, own_s / ticket.parallel)

    def _candidates(self) -> Iterator[Ticket]:
        for home in self._homes.values():
            for ticket in home.waiting:
                if home.running < ticket.parallel:
                    yield ticket

    def _rank(self, ticket: Ticket, now: float) -> tuple[bool, bool, float, int, float]:
        is_late = ticket.priority is Priority.BATCH and now - ticket.arrived < AGING_S
        home = self._homes[ticket.tenant]
        return is_late, not self._goes_before(ticket), home.counter, home.served, ticket.arrived

    def _goes_before(self, ticket: Ticket) -> bool:
        """Say whether a person waits for a sentence that is under way already, and not for ever."""
        return ticket.continues and self._homes[ticket.tenant].continued < MAX_CONTINUATIONS

    def _learn(self, ticket: Ticket, spent_s: float) -> None:
        place = (ticket.tenant, ticket.model)
        before = self._estimates.get(place)
        self._estimates.put(place, spent_s if before is None else before + FOLLOWING * (spent_s - before))

    def _tidy(self, tenant: str) -> None:
        """Let a home go that has nothing here. When the last goes, all are quits."""
        home = self._homes[tenant]
        if home.waiting or home.running:
            return
        del self._homes[tenant]
        if not self._homes:
            self._debts = Lru(DEBTS_KEPT)
            self._floor = home.counter
            return
        self._debts.put(tenant, home.counter)
