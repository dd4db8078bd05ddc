"""Whose turn it is: the counters alone, on a clock of the test's own."""

import heapq
import itertools
import random
from collections import defaultdict
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from insula.domain.inference import Priority
from insula.gateway.fairness import AGING_S, FIRST_ESTIMATE_S, MAX_CONTINUATIONS, Ticket, Turns

BATCH, INTERACTIVE = Priority.BATCH, Priority.INTERACTIVE


def a_ticket(
    tenant: str, at: float = 0.0, *, priority: Priority = INTERACTIVE, parallel: int = 1, continues: bool = False
) -> Ticket:
    return Ticket(tenant, priority, parallel, "m", continues, at)


def order(turns: Turns, now: float = 0.0) -> list[Ticket]:
    """Serve everybody who waits, one after the other, each for a second."""
    served = []
    while (ticket := turns.next(now)) is not None:
        served.append(ticket)
        turns.finish(ticket, 1.0)
    return served


@dataclass
class Client:
    """Sends prompts of a length, keeping so many on their way at a time, each some time after the last answer."""

    tenant: str
    cost_s: float
    at_once: int = 1
    parallel: int = 1
    thinks_s: float = 0.0


@dataclass
class Simulation:
    """Clients that never stop asking, on slots, for a time."""

    turns: Turns
    clients: list[Client]
    seed: int = 0
    spent_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    waits_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def run(self, seconds: float) -> "Simulation":
        chance, number, now = random.Random(self.seed), itertools.count(), 0.0
        # What happens when: a prompt comes (its cost is None), or its answer is complete.
        events: list[tuple[float, int, Ticket, float | None]] = []
        for client in self.clients:
            for _ in range(client.at_once):
                heapq.heappush(events, (0.0, next(number), a_ticket(client.tenant, parallel=client.parallel), None))
        by_tenant = {client.tenant: client for client in self.clients}
        while now < seconds:
            now, _, ticket, cost_s = heapq.heappop(events)
            client = by_tenant[ticket.tenant]
            if cost_s is None:
                self.turns.enter(ticket)
            else:
                self.turns.finish(ticket, cost_s)
                self.spent_s[ticket.tenant] += cost_s
                comes = now + client.thinks_s * chance.uniform(0.5, 1.5)
                again = a_ticket(client.tenant, comes, parallel=client.parallel)
                heapq.heappush(events, (comes, next(number), again, None))
            while (chosen := self.turns.next(now)) is not None:
                cost_s = by_tenant[chosen.tenant].cost_s * chance.uniform(0.5, 1.5)
                self.waits_s[chosen.tenant].append(now - chosen.arrived)
                heapq.heappush(events, (now + cost_s, next(number), chosen, cost_s))
        return self


def jain(values: list[float]) -> float:
    return sum(values) ** 2 / (len(values) * sum(value**2 for value in values))


def test_homes_take_turns_however_many_prompts_one_of_them_sends() -> None:
    turns = Turns(slots=1)
    for at in range(5):
        turns.enter(a_ticket("eager", at))
    turns.enter(a_ticket("modest", 5))
    assert [ticket.tenant for ticket in order(turns)][:3] == ["eager", "modest", "eager"]


def test_batch_waits_until_nobody_else_does_but_not_for_ever() -> None:
    turns = Turns(slots=1)
    late = a_ticket("alice", 0, priority=BATCH)
    soon = a_ticket("bob", 1)
    turns.enter(late)
    turns.enter(soon)
    assert turns.next(2) is soon
    turns.finish(soon, 100.0)
    turns.enter(a_ticket("bob", AGING_S + 1))
    assert turns.next(AGING_S + 2) is late


def test_a_home_has_no_more_turns_at_a_time_than_its_ollama_computes() -> None:
    turns = Turns(slots=8)
    for _ in range(5):
        turns.enter(a_ticket("alice", parallel=2))
    assert [turns.next(0) is not None for _ in range(4)] == [True, True, False, False]


def test_a_sentence_that_is_under_way_goes_on_first_and_not_without_end() -> None:
    turns = Turns(slots=1)
    turns.enter(a_ticket("alice", 0))
    first = turns.next(0)
    assert first is not None
    for _ in range(3 * MAX_CONTINUATIONS):
        turns.enter(a_ticket("alice", 1, continues=True))
    turns.enter(a_ticket("bob", 0.5))
    turns.finish(first, 1.0)
    served = [ticket.tenant for ticket in order(turns)]
    assert served[:MAX_CONTINUATIONS] == ["alice"] * MAX_CONTINUATIONS
    assert served[MAX_CONTINUATIONS] == "bob"


def test_what_a_home_owes_is_not_forgotten_while_it_thinks() -> None:
    turns = Turns(slots=1)
    long = a_ticket("eager", 0)
    turns.enter(long)
    assert turns.next(0) is long
    turns.enter(a_ticket("modest", 1))
    turns.enter(a_ticket("modest", 1))
    turns.finish(long, 30.0)  # and has nothing here for a moment
    first = turns.next(30)
    turns.enter(a_ticket("eager", 31))
    assert first is not None
    turns.finish(first, 1.0)
    following = turns.next(32)
    assert following is not None
    assert (first.tenant, following.tenant) == ("modest", "modest")


def test_a_home_that_was_away_has_saved_up_nothing() -> None:
    turns = Turns(slots=1)
    for _ in range(40):
        turns.enter(a_ticket("alice"))
    for _ in range(20):
        ticket = turns.next(0)
        assert ticket is not None
        turns.finish(ticket, 1.0)
    for _ in range(20):
        turns.enter(a_ticket("bob"))
    served = [ticket.tenant for ticket in order(turns)][:10]
    assert 4 <= served.count("bob") <= 6


def test_twenty_equal_homes_get_equal_parts() -> None:
    clients = [Client(f"home-{number}", 1.0, at_once=3) for number in range(20)]
    done = Simulation(Turns(slots=2), clients).run(2000.0)
    assert jain([done.spent_s[client.tenant] for client in clients]) >= 0.95


def test_a_home_of_short_prompts_is_not_paid_less_than_one_of_long_ones() -> None:
    clients = [Client("short", 0.2, at_once=8), Client("long", 5.0, at_once=8)]
    done = Simulation(Turns(slots=1), clients).run(3000.0)
    assert jain(list(done.spent_s.values())) >= 0.99


def test_a_small_home_waits_little_beside_one_that_sends_fifty_times_more() -> None:
    clients = [Client("small", 1.0, thinks_s=10.0), Client("large", 1.0, at_once=31, parallel=31)]
    done = Simulation(Turns(slots=1), clients).run(5000.0)
    waits_s = sorted(done.waits_s["small"])
    # As a rule the rest of the other's prompt that has begun; never more than one after that.
    assert waits_s[len(waits_s) * 95 // 100] <= 1.5
    assert waits_s[-1] <= 3.0


def test_a_small_home_waits_for_nobody_where_the_other_may_not_fill_all_slots() -> None:
    clients = [Client("small", 1.0, thinks_s=10.0), Client("large", 1.0, at_once=31)]
    done = Simulation(Turns(slots=2), clients).run(2000.0)
    assert max(done.waits_s["small"]) == 0.0


STEPS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(list(Priority)), st.booleans(), st.floats(0.01, 20)),
    min_size=1,
    max_size=60,
)


@given(steps=STEPS, slots=st.integers(1, 4), parallel=st.integers(1, 3))
def test_no_slot_is_free_while_somebody_may_have_it_and_everybody_is_served(
    steps: list[tuple[str, Priority, bool, float]], slots: int, parallel: int
) -> None:
    turns, now, running = Turns(slots), 0.0, []
    owed = 0
    for tenant, priority, continues, cost_s in steps:
        turns.enter(a_ticket(tenant, now, priority=priority, parallel=parallel, continues=continues))
        owed += 1
        while (ticket := turns.next(now)) is not None:
            running.append(ticket)
        has_all = {name: sum(each.tenant == name for each in running) >= parallel for name in "abcd"}
        assert len(running) == slots or all(has_all[name] or not turns.waiting_of(name) for name in "abcd")
        if len(running) == slots:
            turns.finish(running.pop(0), cost_s)
            owed -= 1
        now += 1.0
    for ticket in running:
        turns.finish(ticket, 1.0)
        owed -= 1
    assert len(order(turns, now)) == owed
    assert turns.is_idle
    assert (turns.running, turns.waiting) == (0, 0)


@given(costs=st.lists(st.floats(0.1, 10), min_size=2, max_size=2), seed=st.integers(0, 1000))
def test_two_homes_that_never_stop_asking_differ_by_no_more_than_two_of_their_longest_prompts(
    costs: list[float], seed: int
) -> None:
    clients = [Client("a", costs[0], at_once=4), Client("b", costs[1], at_once=4)]
    done = Simulation(Turns(slots=1), clients, seed=seed).run(300.0)
    assert abs(done.spent_s["a"] - done.spent_s["b"]) <= 2 * 1.5 * max(costs) + 2 * FIRST_ESTIMATE_S


@given(st.data())
def test_a_client_that_leaves_takes_nobodys_turn(data: st.DataObject) -> None:
    turns = Turns(slots=1)
    tickets = [a_ticket(data.draw(st.sampled_from("abc")), at) for at in range(data.draw(st.integers(1, 20)))]
    for ticket in tickets:
        turns.enter(ticket)
    gone = data.draw(st.sets(st.sampled_from(range(len(tickets)))))
    for number in gone:
        turns.leave(tickets[number])
    served = order(turns)
    assert {id(each) for each in served} == {id(each) for n, each in enumerate(tickets) if n not in gone}
