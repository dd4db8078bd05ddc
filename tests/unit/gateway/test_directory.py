from gateway_house import ALICE, BOB, a_home_slice, a_namespace, a_slice

from insula.domain import names
from insula.gateway.activities import Activities
from insula.gateway.replicas import Replicas
from insula.gateway.tenants import TenantRoute, WatchedDirectory
from insula.gateway.watches import STALE_AFTER_S, Watches


def a_directory() -> WatchedDirectory:
    directory = WatchedDirectory()
    directory.replace_namespaces([a_namespace("alice", ALICE)])
    directory.replace_slices([a_slice("alice", "10.0.0.7")])
    return directory


def test_a_tenant_is_found_with_its_ready_ollama() -> None:
    expected = TenantRoute(ALICE, "alice", "insula-alice", 1, "10.0.0.7:11434")
    assert a_directory().find(ALICE) == expected


def test_an_ollama_that_is_not_ready_is_no_backend() -> None:
    directory = a_directory()
    directory.put_slice(a_slice("alice", "10.0.0.7", ready=False))
    route = directory.find(ALICE)
    assert route is not None
    assert route.backend is None


def test_readiness_that_is_not_said_counts_as_ready() -> None:
    directory = a_directory()
    directory.put_slice(a_slice("alice", "10.0.0.8", ready=None))
    assert directory.find(ALICE) == TenantRoute(ALICE, "alice", "insula-alice", 1, "10.0.0.8:11434")


def test_an_address_of_the_sixth_version_is_bracketed() -> None:
    directory = a_directory()
    directory.put_slice(a_slice("alice", "fd00::7") | {"addressType": "IPv6"})
    route = directory.find(ALICE)
    assert route is not None
    assert route.backend == "[fd00::7]:11434"


def test_a_slice_without_ports_is_no_backend() -> None:
    directory = a_directory()
    directory.put_slice(a_slice("alice", "10.0.0.7") | {"ports": None, "endpoints": None})
    route = directory.find(ALICE)
    assert route is not None
    assert route.backend is None


def test_a_slice_that_goes_takes_its_backend_along() -> None:
    directory = a_directory()
    directory.drop_slice(a_slice("alice", "10.0.0.7"))
    route = directory.find(ALICE)
    assert route is not None
    assert route.backend is None


def test_a_namespace_that_is_going_away_is_no_home() -> None:
    directory = a_directory()
    going = a_namespace("alice", ALICE)
    going["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    directory.put_namespace(going)
    assert directory.find(ALICE) is None


def test_a_new_home_of_the_same_name_does_not_answer_to_the_old_identity() -> None:
    directory = a_directory()
    directory.put_namespace(a_namespace("alice", BOB))
    assert directory.find(ALICE) is None
    assert directory.find(BOB) is not None


def test_a_copied_identity_takes_nobodys_place() -> None:
    directory = WatchedDirectory()
    copy = a_namespace("aaa", ALICE, created="2026-02-01T00:00:00Z")
    directory.replace_namespaces([copy, a_namespace("alice", ALICE)])
    route = directory.find(ALICE)
    assert route is not None
    assert route.name == "alice"


def test_a_generation_that_is_no_number_lets_nobody_in() -> None:
    directory = WatchedDirectory()
    directory.put_namespace(a_namespace("alice", ALICE, generation="-1"))
    route = directory.find(ALICE)
    assert route is not None
    assert route.key_generation == 0


def test_a_namespace_without_an_identity_is_no_home() -> None:
    directory = WatchedDirectory()
    stranger = a_namespace("alice", ALICE)
    del stranger["metadata"]["labels"][names.LABEL_TENANT_ID]
    directory.put_namespace(stranger)
    assert directory.size == 0


def test_a_full_list_forgets_who_is_not_in_it() -> None:
    directory = a_directory()
    directory.replace_namespaces([a_namespace("bob", BOB)])
    assert directory.find(ALICE) is None
    assert directory.size == 1


def test_an_address_is_known_as_the_home_of_its_tenant() -> None:
    directory = a_directory()
    directory.put_slice(a_home_slice("alice", "10.0.0.9"))
    assert directory.living_at("10.0.0.9") == {ALICE}
    assert directory.living_at("10.0.0.7") == frozenset()


def test_a_home_that_is_not_ready_is_a_home_all_the_same() -> None:
    directory = a_directory()
    directory.put_slice(a_home_slice("alice", "10.0.0.9", ready=False))
    assert directory.living_at("10.0.0.9") == {ALICE}


def test_a_home_is_no_backend() -> None:
    directory = a_directory()
    directory.put_slice(a_home_slice("alice", "10.0.0.1"))
    assert directory.find(ALICE) == TenantRoute(ALICE, "alice", "insula-alice", 1, "10.0.0.7:11434")


def test_a_home_that_moved_is_no_longer_where_it_was() -> None:
    directory = a_directory()
    directory.put_slice(a_home_slice("alice", "10.0.0.9"))
    directory.put_slice(a_home_slice("alice", "10.0.0.10"))
    assert directory.living_at("10.0.0.9") == frozenset()
    assert directory.living_at("10.0.0.10") == {ALICE}
    directory.drop_slice(a_home_slice("alice", "10.0.0.10"))
    assert directory.living_at("10.0.0.10") == frozenset()
    assert directory.find(ALICE) == TenantRoute(ALICE, "alice", "insula-alice", 1, "10.0.0.7:11434")


def test_an_address_that_passes_to_another_home_belongs_to_both_for_a_moment() -> None:
    directory = a_directory()
    directory.put_namespace(a_namespace("bob", BOB))
    directory.put_slice(a_home_slice("alice", "10.0.0.9"))
    directory.put_slice(a_home_slice("bob", "10.0.0.9"))
    assert directory.living_at("10.0.0.9") == {ALICE, BOB}
    directory.put_slice(a_home_slice("alice"))
    assert directory.living_at("10.0.0.9") == {BOB}


def test_a_slice_outside_every_home_makes_no_home() -> None:
    directory = a_directory()
    directory.put_slice(a_home_slice("stranger", "10.0.0.9"))
    assert directory.living_at("10.0.0.9") == frozenset()


def test_a_full_list_of_slices_forgets_homes_that_are_not_in_it() -> None:
    directory = a_directory()
    directory.put_slice(a_home_slice("alice", "10.0.0.9"))
    directory.replace_slices([a_slice("alice", "10.0.0.7")])
    assert directory.living_at("10.0.0.9") == frozenset()


def test_the_directory_is_complete_only_when_both_kinds_were_listed() -> None:
    directory = WatchedDirectory()
    assert not directory.synced
    directory.replace_namespaces([])
    assert not directory.synced
    directory.replace_slices([])
    assert directory.synced


def test_a_watch_that_shows_no_sign_of_life_makes_the_directory_stale() -> None:
    now = 0.0
    directory = WatchedDirectory()
    watches = Watches(directory, Replicas(), Activities(), clock=lambda: now)
    for feed, item in (
        (watches.namespaces, a_namespace("alice", ALICE)),
        (watches.slices, a_slice("alice", "10.0.0.7")),
    ):
        feed.begin("1")
        feed.upsert(item)
        feed.end()
    assert directory.find(ALICE) is not None
    now = STALE_AFTER_S + 1
    watches.namespaces.advance("2")
    assert watches.stale
    watches.slices.advance("2")
    assert not watches.stale


def test_a_watch_hands_on_what_changed_and_what_went() -> None:
    directory = WatchedDirectory()
    watches = Watches(directory, Replicas(), Activities())
    watches.namespaces.upsert(a_namespace("alice", ALICE))
    assert directory.find(ALICE) is not None
    watches.namespaces.remove(a_namespace("alice", ALICE))
    assert directory.find(ALICE) is None
