"""The gateway's queue with simulated homes: its own code gives the turns, a clock of numbers tells the time.

A prompt computes for a time drawn at random, as answers do. In the harder case one prompt computes at a time, as on a
GPU that is used whole; a gateway's default is four, and there the homes' own limit of one already keeps a place free.
"""

import heapq
import itertools
import random
import statistics
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from bench.common.figures import Figure
from insula.domain.inference import Priority
from insula.gateway.admission import WAITING_OF_TENANT
from insula.gateway.fairness import Ticket, Turns

MEDIAN_S, SPREAD = 2.0, 0.5  # of a prompt: lognormal, as sentences to a home are
SMALL_EVERY_S: Final = 60.0
MORE: Final = 50  # times that the big one asks more often
GREEDY_RATIO: Final = 1.5
JAIN: Final = 0.95


class Queue(Protocol):
    """What gives turns."""

    def enter(self, ticket: Ticket) -> None:
        """Take a prompt."""

    def next(self, now: float) -> Ticket | None:
        """Give a turn."""

    def finish(self, ticket: Ticket, spent_s: float) -> None:
        """Take it back."""


class Arrival:
    """The queue that Ollama itself has: in the order of arrival."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._waiting: deque[Ticket] = deque()

    def enter(self, ticket: Ticket) -> None:
        """Take a prompt."""
        self._waiting.append(ticket)

    def next(self, now: float) -> Ticket | None:
        """Give a turn."""
        if not self._free or not self._waiting:
            return None
        self._free -= 1
        return self._waiting.popleft()

    def finish(self, ticket: Ticket, spent_s: float) -> None:
        """Take it back."""
        self._free += 1


@dataclass(frozen=True)
class Home:
    """A home in the simulation. `every_s`: between prompts, on average; 0: asks again as soon as it is answered."""

    name: str
    every_s: float = 0.0
    median_s: float = MEDIAN_S


@dataclass
class Seen:
    """What came of it: by home, how long each answer took from its asking, and how long models computed in all."""

    answered_s: dict[str, list[float]] = field(default_factory=dict)
    computed_s: dict[str, float] = field(default_factory=dict)

    def jain(self) -> float:
        """Return Jain's index of what homes had computed: 1 when all the same, 1/n when one had it all."""
        shares = list(self.computed_s.values())
        return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))


def simulate(queue: Queue, homes: Sequence[Home], *, seconds: float, seed: int) -> Seen:
    """Let homes ask for so long."""
    chance, order = random.Random(seed), itertools.count()
    seen = Seen({home.name: [] for home in homes}, {home.name: 0.0 for home in homes})
    by_name, waiting = {home.name: home for home in homes}, dict.fromkeys(seen.answered_s, 0)
    events: list[tuple[float, int, Home | Ticket, float]] = []  # who asks, or whose turn ends and what it took

    def ask_later(home: Home, now: float) -> None:
        pause = chance.expovariate(1 / home.every_s) if home.every_s else 0.0
        heapq.heappush(events, (now + pause, next(order), home, 0.0))

    for home in homes:
        ask_later(home, chance.random())
    while events and events[0][0] < seconds:
        now, _, who, took = heapq.heappop(events)
        if isinstance(who, Ticket):
            queue.finish(who, took)
            seen.answered_s[who.tenant].append(now - who.arrived)
            seen.computed_s[who.tenant] += took
            if not by_name[who.tenant].every_s:
                ask_later(by_name[who.tenant], now)
        else:
            if waiting[who.name] < WAITING_OF_TENANT:  # else it is told to come again
                waiting[who.name] += 1
                queue.enter(Ticket(who.name, Priority.INTERACTIVE, 1, "model", continues=False, arrived=now))
            if who.every_s:
                ask_later(who, now)
        while (ticket := queue.next(now)) is not None:
            waiting[ticket.tenant] -= 1
            takes = by_name[ticket.tenant].median_s * chance.lognormvariate(0, SPREAD)
            heapq.heappush(events, (now + takes, next(order), ticket, takes))
    return seen


def measure(*, runs: int, hours: float) -> Iterator[Figure]:
    """Yield the figures; each run has other chances.

    Args:
        runs: How often.
        hours: What the rarely asking home is watched for; where all ask without end, a fortieth tells as much.
    """
    seconds = hours * 3600
    for slots, suffix in ((1, ""), (4, "_4_slots")):
        ours = [_small_ratio(Turns, slots, seconds, seed) for seed in range(runs)]
        theirs = [_small_ratio(Arrival, slots, seconds, seed) for seed in range(runs)]
        yield Figure(
            f"fairness_small_p95_ratio{suffix}",
            ours,
            "×",
            goal=GREEDY_RATIO,
            peer=statistics.median(theirs),
            peer_name="in the order of arrival, as Ollama does",
            limited_by=f"simulated, {slots} at a time: a prompt that computes is not stopped for another",
        )
    yield from _jain(runs, seconds / 40)
    yield from _thousand(min(runs, 3), seconds / 40)


def _small_ratio(queue: type[Turns] | type[Arrival], slots: int, seconds: float, seed: int) -> float:
    """Return how much longer the small home's answers take (p95) beside one that asks 50 times as often."""
    small, big = Home("small", SMALL_EVERY_S), Home("big", SMALL_EVERY_S / MORE)
    alone = simulate(queue(slots), [small], seconds=seconds, seed=seed).answered_s["small"]
    beside = simulate(queue(slots), [small, big], seconds=seconds, seed=seed).answered_s["small"]
    return _p95(beside) / _p95(alone)


def _jain(runs: int, seconds: float) -> Iterator[Figure]:
    equal = [Home(f"home-{number}") for number in range(20)]
    # Equal homes with unequal habits: the longest prompts are eight times the shortest.
    unequal = [Home(f"home-{number}", median_s=0.5 * 8 ** (number / 19)) for number in range(20)]
    for homes, suffix in ((equal, ""), (unequal, "_unequal_prompts")):
        ours = [simulate(Turns(4), homes, seconds=seconds, seed=seed).jain() for seed in range(runs)]
        theirs = [simulate(Arrival(4), homes, seconds=seconds, seed=seed).jain() for seed in range(runs)]
        name = "in the order of arrival"
        peer = statistics.median(theirs)
        yield Figure(
            f"fairness_jain_20{suffix}", ours, "", goal=JAIN, at_least=True, peer=peer, peer_name=name,
            limited_by="simulated, 4 at a time, all ask without end",
        )  # fmt: skip


def _thousand(runs: int, seconds: float) -> Iterator[Figure]:
    homes = [Home(f"home-{number}", median_s=0.5 * 8 ** (number / 999)) for number in range(1000)]
    jains, decisions = [], []
    for seed in range(runs):
        began = time.process_time()
        seen = simulate(Turns(4), homes, seconds=seconds, seed=seed)
        turns = sum(len(each) for each in seen.answered_s.values())
        jains.append(seen.jain())
        decisions.append((time.process_time() - began) / max(1, turns) * 1e6)
    yield Figure("fairness_jain_1000", jains, "", goal=JAIN, at_least=True, limited_by="simulated, prompts of 1 to 8")
    yield Figure("fairness_turn_us_1000", decisions, "µs", limited_by="all of the simulation, 1,000 homes waiting")


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1] if len(values) > 1 else float("nan")
