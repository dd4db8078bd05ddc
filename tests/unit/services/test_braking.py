"""Which homes may go when their Tenants are gone."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services_world import FakeCluster, a_namespace, a_tenant

from insula.domain import names
from insula.domain.manifests import Manifest, ObjectRef, reference
from insula.services.braking import Brake

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def a_home(name: str, **annotations: str) -> Manifest:
    owner = {names.ANNOTATION_TENANT_UID: f"uid-{name}"}
    return a_namespace(name, **(owner | annotations))


class Street:
    """A brake before some homes, and a clock."""

    def __init__(self, *objects: Manifest, homes: int = 2) -> None:
        self.cluster = FakeCluster(*objects)
        self.homes = homes
        self.seconds = 0.0
        self.brake = self.another_leader()

    def another_leader(self) -> Brake:
        def now() -> datetime:
            return NOW + timedelta(seconds=self.seconds)

        return Brake(self.cluster, self.homes, 600, now=now, clock=lambda: self.seconds)

    def annotate(self, name: str, **annotations: str) -> None:
        held = self.cluster.namespace(name)
        assert held is not None
        held["metadata"]["annotations"].update(annotations)

    def ask(self, *homes: str) -> list[str]:
        """Return those of the homes that may go."""
        return [name for name in homes if not self.brake.hold(name)]

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds

    def remove(self, kind: str, name: str) -> None:
        version = "v1" if kind == "Namespace" else names.API_VERSION
        del self.cluster.live[ObjectRef(version, kind, "", name)]


def since(seconds_ago: float) -> dict[str, Any]:
    moment = (NOW - timedelta(seconds=seconds_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {names.ANNOTATION_RETAINED_SINCE: moment}


def test_a_few_homes_go_unasked() -> None:
    assert Street(a_home("alice"), a_home("bob")).ask("alice", "bob") == ["alice", "bob"]


def test_when_all_tenants_are_gone_no_home_goes() -> None:
    people = [f"person-{number}" for number in range(10)]
    street = Street(*map(a_home, people))
    assert street.ask(*people) == []
    street.pass_time(100_000)
    assert street.ask(*people) == []
    assert street.brake.held() == 10


def test_homes_that_have_their_tenants_are_not_counted() -> None:
    people = [f"person-{number}" for number in range(10)]
    street = Street(*map(a_home, people), *map(a_tenant, people[1:]))
    assert street.ask(people[0]) == [people[0]]
    assert street.brake.held() == 0


def test_tenants_that_go_one_after_the_other_are_let_go_at_a_pace() -> None:
    people = ["alice", "bob", "carol"]
    street = Street(*map(a_home, people), *map(a_tenant, people))
    for name in people:
        street.remove("Tenant", name)
        street.pass_time(5)
        assert street.ask(name) == ([name] if name != "carol" else [])
        if name != "carol":
            street.annotate(name, **since(-street.seconds))
    street.pass_time(601)
    assert street.ask("carol") == ["carol"]


def test_who_was_let_go_is_not_asked_about_again() -> None:
    street = Street(a_home("alice"), homes=1)
    assert street.ask("alice", "alice") == ["alice", "alice"]


def test_another_leader_counts_those_that_went_before() -> None:
    street = Street(a_home("alice", **since(60)), a_home("bob", **since(60)), a_home("carol"))
    assert street.ask("carol") == []
    street.pass_time(600)
    assert street.ask("carol") == ["carol"]


def test_homes_that_were_destroyed_whole_still_count() -> None:
    street = Street(a_home("alice"), a_home("bob"), a_home("carol"), a_tenant("carol"))
    assert street.ask("alice", "bob") == ["alice", "bob"]
    for name in ("alice", "bob"):
        street.remove("Namespace", names.namespace(name))
    street.remove("Tenant", "carol")
    street.pass_time(5)
    assert street.ask("carol") == []


def test_data_kept_for_long_do_not_count_until_they_are_to_be_destroyed() -> None:
    kept = [a_home(f"kept-{number}", **since(10_000)) for number in range(10)]
    street = Street(*kept, a_home("alice"))
    assert street.ask("alice") == ["alice"]
    for each in kept:
        each["metadata"]["annotations"][names.ANNOTATION_DELETION_POLICY] = "Delete"
    street.pass_time(5)
    assert street.ask("kept-0") == []


def test_a_home_whose_going_a_person_confirmed_goes_and_is_not_counted() -> None:
    people = [f"person-{number}" for number in range(5)]
    street = Street(*map(a_home, people))
    assert street.ask(*people) == []
    for name in people[:3]:
        street.annotate(name, **{names.ANNOTATION_DEPARTURE_CONFIRMED: f"uid-{name}"})
    assert street.ask(*people[:3]) == people[:3]
    street.pass_time(5)
    assert street.ask(*people[3:]) == people[3:]


def test_a_confirmation_counts_for_one_departure_alone() -> None:
    people = [f"person-{number}" for number in range(5)]
    street = Street(*map(a_home, people))
    street.annotate(people[0], **{names.ANNOTATION_DEPARTURE_CONFIRMED: "uid-of-an-earlier-tenant"})
    assert street.ask(people[0]) == []


def test_tenants_made_again_under_the_old_names_do_not_make_the_old_homes_go() -> None:
    people = [f"person-{number}" for number in range(5)]
    again = [{**a_tenant(name), "metadata": {**a_tenant(name)["metadata"], "uid": "another"}} for name in people]
    street = Street(*map(a_home, people), *again)
    assert street.ask(*people) == []
    adopting = a_tenant(people[0], adopt=f"id-{people[0]}")
    adopting["metadata"]["uid"] = "another"
    street.cluster.live[reference(adopting)] = adopting
    street.pass_time(5)
    assert street.brake.held() == 4
