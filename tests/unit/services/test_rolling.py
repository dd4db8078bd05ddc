"""Who gets a turn when a change goes through many homes."""

from insula.domain.tenants import Pace
from insula.reconcile.model import Turn
from insula.services.rolling import Roster

PEOPLE = [f"person-{number}" for number in range(10)]
UP, DOWN = Turn("standard"), Turn("standard", is_down=True)
WAITS = Turn("standard", waits=True)


class Street:
    """Homes of a plan at a pace."""

    def __init__(self, pace: Pace, *people: str) -> None:
        self.woken: list[str] = []
        self.roster = Roster(lambda _plan: pace, wake=self.woken.append)
        for name in people:
            self.roster.expect(name, "standard")
        self.note(UP, *people)

    def note(self, turn: Turn | None, *people: str) -> None:
        for name in people:
            self.roster.note(name, turn)

    def granted(self) -> list[str]:
        return [name for name in PEOPLE if self.roster.may_restart(name)]


def test_no_more_homes_have_their_turn_than_may_be_down() -> None:
    street = Street(Pace(2, is_percent=False), *PEOPLE)
    street.note(WAITS, *PEOPLE)
    assert street.granted() == PEOPLE[:2]
    assert street.woken == PEOPLE[:2]


def test_a_percentage_is_of_the_plans_homes_and_at_least_one() -> None:
    assert [Pace(10).of(homes) for homes in (0, 3, 10, 1000)] == [1, 1, 1, 100]


def test_the_next_have_their_turn_when_those_before_answer_again() -> None:
    street = Street(Pace(1, is_percent=False), *PEOPLE[:3])
    street.note(WAITS, *PEOPLE[:3])
    done = []
    for _ in range(3):
        (name,) = street.granted()
        street.note(DOWN, name)
        assert street.granted() == []
        street.note(UP, name)
        done.append(name)
    assert done == PEOPLE[:3]
    counts = street.roster.counts("standard")
    assert counts is not None
    assert (counts.homes, counts.waiting, counts.down) == (3, frozenset(), frozenset())


def test_a_home_that_does_not_come_up_again_stops_all_that_wait() -> None:
    street = Street(Pace(1, is_percent=False), *PEOPLE)
    street.note(WAITS, *PEOPLE)
    street.note(DOWN, PEOPLE[0])
    street.note(WAITS, *PEOPLE[1:])
    assert street.granted() == []
    street.note(None, PEOPLE[0])  # but for the one that goes for good
    assert street.granted() == [PEOPLE[1]]


def test_homes_that_are_down_anyway_do_not_wait() -> None:
    street = Street(Pace(1, is_percent=False), *PEOPLE)
    street.note(Turn("standard", waits=True, is_down=True), *PEOPLE[:3])
    assert street.granted() == PEOPLE[:3]


def test_homes_that_were_not_looked_at_yet_count_as_down() -> None:
    street = Street(Pace(1, is_percent=False))
    for name in PEOPLE:
        street.roster.expect(name, "standard")
    street.note(WAITS, *PEOPLE[:-1])
    assert street.granted() == []
    assert street.roster.counts("standard") is None
    street.note(UP, PEOPLE[-1])
    assert street.granted() == PEOPLE[:1]


def test_plans_have_a_pace_each() -> None:
    street = Street(Pace(1, is_percent=False), *PEOPLE)
    street.note(Turn("standard", waits=True), *PEOPLE[:2])
    street.note(Turn("large", waits=True), *PEOPLE[5:7])
    assert street.granted() == [PEOPLE[0], PEOPLE[5]]
    large = street.roster.counts("large")
    assert large is not None
    assert large.homes == 2


def test_a_turn_is_kept_until_it_is_taken() -> None:
    street = Street(Pace(1, is_percent=False), *PEOPLE)
    street.note(WAITS, *PEOPLE)
    street.note(WAITS, PEOPLE[0])  # its look failed half way
    assert street.granted() == PEOPLE[:1]


def test_of_a_plan_without_homes_nothing_waits() -> None:
    counts = Street(Pace()).roster.counts("empty")
    assert counts is not None
    assert counts.homes == 0
