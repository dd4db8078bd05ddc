"""Which paths are tried, and what is made of what was seen."""

import pytest

from insula.domain import keys
from insula.domain.probe_plan import Neighbour, Surroundings, forged_key, from_within, plan
from insula.domain.probes import Expected, Position, Probe, Verdict, in_order, judge

AROUND = Surroundings(
    gateway="gateway.insula-system.svc.cluster.local",
    nodes=("10.0.0.1",),
    api_servers=("10.96.0.1:443",),
    node_ports=("10.0.0.1:30500",),
    platform=("10.96.0.9:5000",),
    outside=("10.0.0.9:3141",),
    home_assistant="10.1.0.1",
    ollama="10.1.0.2",
    neighbours=(Neighbour("bob", "94db954d-15be-412c-b376-e059bdc5993f", "10.1.0.3", "10.1.0.4"),),
)


def a_probe(expected: Expected, target: str = "tcp:10.0.0.1:80") -> Probe:
    return Probe("door", Position.OLLAMA, target, expected)


def targets(position: Position, around: Surroundings = AROUND) -> set[str]:
    return {each.target for each in plan(around) if each.position is position and each.expected is Expected.REFUSED}


def test_home_assistant_must_reach_dns_and_the_gateway_so_that_a_dead_network_is_not_green() -> None:
    allowed = [each for each in plan(AROUND) if each.expected is Expected.ALLOWED]
    assert {(each.name, each.position) for each in allowed} == {
        ("dns", Position.HOME_ASSISTANT),
        ("gateway", Position.HOME_ASSISTANT),
    }


def test_home_assistant_tries_neighbours_node_cloud_and_api_server() -> None:
    assert targets(Position.HOME_ASSISTANT) >= {
        "tcp:home-assistant.insula-bob.svc.cluster.local:8123",
        "tcp:ollama-backend.insula-bob.svc.cluster.local:11434",
        "tcp:10.1.0.3:8123",
        "tcp:10.1.0.4:11434",
        "tcp:10.1.0.2:11434",
        "tcp:169.254.169.254:80",
        "tcp:10.96.0.1:443",
        "tcp:10.0.0.1:10250",
        "tcp:10.0.0.1:30500",
        "tcp:10.96.0.9:5000",
    }


def test_nothing_at_all_is_allowed_to_ollama() -> None:
    assert {each.expected for each in plan(AROUND) if each.position is Position.OLLAMA} == {Expected.REFUSED}
    assert targets(Position.OLLAMA) >= {
        "name:kubernetes.default.svc.cluster.local",
        "tcp:1.1.1.1:443",
        "tcp:10.0.0.9:3141",
        "tcp:10.1.0.1:8123",
        "tcp:10.1.0.3:8123",
    }


def test_no_path_is_tried_twice_from_one_place_to_one_end() -> None:
    tried = [(each.name, each.position, each.target) for each in plan(AROUND)]
    assert len(tried) == len(set(tried))


def test_a_pod_that_knows_nobody_still_tries_its_own_node() -> None:
    around = from_within("gateway", "")
    assert "tcp:$(NODE_ADDRESS):10250" in targets(Position.OLLAMA, around)
    assert "tcp:$(KUBERNETES_SERVICE_HOST):443" in targets(Position.HOME_ASSISTANT, around)


def test_a_neighbour_whose_ollama_sleeps_is_not_looked_for_by_a_name_that_nobody_bears() -> None:
    asleep = Surroundings(gateway="gateway", neighbours=(Neighbour("bob", "id", home_assistant="10.1.0.3"),))
    assert [each.name for each in plan(asleep) if "ollama-backend" in each.target] == []


def test_a_forged_key_is_a_key_by_its_grammar_so_that_its_signature_is_what_is_refused() -> None:
    assert keys.parse_key(forged_key("94db954d-15be-412c-b376-e059bdc5993f")).generation == 1


@pytest.mark.parametrize(
    ("expected", "seen", "verdict"),
    [
        (Expected.REFUSED, "timeout", Verdict.GREEN),
        (Expected.REFUSED, "rejected", Verdict.GREEN),
        (Expected.REFUSED, "401", Verdict.GREEN),
        (Expected.REFUSED, "connected", Verdict.RED),
        (Expected.REFUSED, "200", Verdict.RED),
        (Expected.REFUSED, "unknown name", Verdict.UNKNOWN),
        (Expected.REFUSED, "", Verdict.UNKNOWN),
        (Expected.ALLOWED, "401", Verdict.GREEN),
        (Expected.ALLOWED, "resolved", Verdict.GREEN),
        (Expected.ALLOWED, "timeout", Verdict.RED),
        (Expected.ALLOWED, "unknown name", Verdict.RED),
        (Expected.ALLOWED, "", Verdict.UNKNOWN),
    ],
)
def test_a_verdict_follows_from_what_should_be_and_what_was_seen(
    expected: Expected, seen: str, verdict: Verdict
) -> None:
    assert judge(a_probe(expected), seen) is verdict


def test_where_names_are_forbidden_an_unknown_name_is_what_should_be_seen() -> None:
    assert judge(a_probe(Expected.REFUSED, "name:example.com"), "unknown name") is Verdict.GREEN


def test_what_must_be_open_is_tried_first() -> None:
    shut, opened = a_probe(Expected.REFUSED), a_probe(Expected.ALLOWED)
    assert in_order([shut, opened]) == (opened, shut)
