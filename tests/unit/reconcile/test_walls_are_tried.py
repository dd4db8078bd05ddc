"""The operator has each home's walls tried: when, how often, and what it makes of the result."""

import json
from datetime import timedelta

import pytest

from builders import MODEL, NOW, World, a_platform, a_tenant
from insula.domain import names, times
from insula.domain.situation import Memory, Walls
from insula.reconcile import walls
from insula.reconcile.model import Decision

HOUR_S = 3600
DAY_S = 24 * HOUR_S
OPEN = json.dumps({"tried": 7, "open": ["ollama → kubelet (tcp:10.0.0.1:10250)"], "shut": []})
SHUT = json.dumps({"tried": 7, "open": [], "shut": ["home-assistant → gateway (http:ollama:11434)"]})
PROBES = [names.probe(names.HOME_ASSISTANT), names.probe(names.OLLAMA)]


def awaiting_probes() -> World:
    """Return a world whose home answers, with the probe Jobs under way."""
    world = World().claimed()
    world.issue_certificate().finish_job(names.PULL, f'{{"models": {{"{MODEL}": "sha256:1"}}}}').settle()
    return world.finish_job(names.CONVERSE, '{"agent": "conversation.home"}').settle()


def probing(world: World) -> bool:
    return any(world.has("Job", name) for name in PROBES)


def due_in_s(name: str, memory: Memory, *, age_s: float = 10 * DAY_S, hours: int = 24) -> float | None:
    made = times.written(NOW - timedelta(seconds=age_s))
    return walls.due_in_s(name, memory, a_platform(probe_every_hours=hours), made=made, now=NOW)


def test_a_new_home_is_tried_once_it_answers_and_not_before() -> None:
    world = World().claimed()
    assert not probing(world)
    assert world.condition("Isolated")["status"] == "Unknown"
    world = awaiting_probes()
    assert all(world.has("Job", name) for name in PROBES)
    assert world.condition("Ready")["status"] == "True"


def test_probes_that_hold_make_the_home_isolated_and_leave_nothing_behind() -> None:
    world = awaiting_probes().finish_probes()
    condition = world.condition("Isolated")
    assert (condition["status"], condition["reason"]) == ("True", "WallsHold")
    assert "14 paths" in condition["message"]
    assert not probing(world)


def test_a_wall_that_is_open_is_named_and_told_of_once() -> None:
    world = awaiting_probes()
    for name in PROBES:
        world.finish_job(name, OPEN if name.endswith("ollama") else '{"tried": 7}')
    told = [event for event in world.step().events if event.reason == "WallOpen"]
    assert [event.type for event in told] == ["Warning"]
    world.settle()
    condition = world.condition("Isolated")
    assert condition["status"] == "False"
    assert "ollama → kubelet (tcp:10.0.0.1:10250)" in condition["message"]
    assert world.condition("Ready")["status"] == "True"


def test_a_network_that_is_shut_altogether_proves_nothing() -> None:
    world = awaiting_probes().finish_probes(home_assistant=SHUT)
    condition = world.condition("Isolated")
    assert (condition["status"], condition["reason"]) == ("Unknown", "NothingProven")
    assert "home-assistant → gateway" in condition["message"]


def test_what_is_red_is_tried_again_in_minutes_and_then_green() -> None:
    world = awaiting_probes().finish_probes(ollama=OPEN)
    assert world.decide().look_again_s == walls.AGAIN_S
    world.pass_time(walls.AGAIN_S).settle()
    assert all(world.has("Job", name) for name in PROBES)
    world.finish_probes()
    assert world.condition("Isolated")["status"] == "True"


def test_nothing_is_written_between_two_tries_and_there_is_one_in_each_interval() -> None:
    world = awaiting_probes().finish_probes()
    tries = 0
    for _ in range(3 * 24):
        world.pass_time(HOUR_S)
        if world.decide().is_empty:
            continue
        world.settle()
        assert all(world.has("Job", name) for name in PROBES)
        tries += 1
        world.finish_probes()
    assert tries == 3


def test_homes_take_their_turns_over_the_whole_interval() -> None:
    tried = Memory(walls=Walls(at=times.written(NOW), tried=1))
    waits = [due_in_s(f"tenant-{number}", tried) for number in range(400)]
    by_hour = [sum(1 for each in waits if each is not None and each // HOUR_S == hour) for hour in range(24)]
    assert sum(by_hour) == 400
    assert max(by_hour) < 40


def test_old_homes_that_were_never_tried_wait_for_their_turns() -> None:
    due = [name for name in (f"tenant-{number}" for number in range(400)) if due_in_s(name, Memory()) == 0]
    assert 0 < len(due) < 40
    assert due_in_s("tenant-1", Memory(), age_s=60) == 0


def test_an_interval_of_zero_is_never() -> None:
    assert due_in_s("alice", Memory(), hours=0) is None
    world = World(platform=a_platform(probe_every_hours=0)).claimed()
    world.issue_certificate().finish_job(names.PULL, f'{{"models": {{"{MODEL}": "sha256:1"}}}}').settle()
    world.finish_job(names.CONVERSE, '{"agent": "conversation.home"}').settle()
    assert not probing(world)
    assert "insula verify alice" in world.condition("Isolated")["message"]


def test_jobs_under_way_keep_whom_they_try_though_another_neighbour_is_seen() -> None:
    world = World(neighbour="bob").claimed()
    world.issue_certificate().finish_job(names.PULL, f'{{"models": {{"{MODEL}": "sha256:1"}}}}').settle()
    world.finish_job(names.CONVERSE, '{"agent": "conversation.home"}').settle()
    command = json.dumps(world.job(PROBES[0])["spec"])
    assert "home-assistant.insula-bob.svc" in command
    world.neighbour = "carol"
    assert world.decide().is_empty


def test_a_suspended_home_is_not_tried_and_keeps_what_was_found() -> None:
    world = World().ready()
    world.desired = a_tenant(suspended=True)
    world.settle().pass_time(2 * DAY_S).settle()
    assert not probing(world)
    assert world.condition("Isolated")["status"] == "True"


def test_a_job_that_says_nothing_is_no_proof_and_is_not_tried_again_in_haste() -> None:
    world = awaiting_probes().finish_probes(home_assistant="", ollama="")
    assert world.condition("Isolated")["reason"] == "NotTried"
    decision: Decision = world.decide()
    assert decision.is_empty
    assert decision.look_again_s is not None
    assert decision.look_again_s > walls.AGAIN_S


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"tried": "many", "open": 3}'])
def test_walls_spoilt_by_hand_read_as_if_nothing_was_tried(text: str) -> None:
    assert Walls.from_text(text) == Walls()


def test_walls_are_read_as_they_were_written() -> None:
    found = Walls(at="2026-11-25T12:00:00Z", tried=14, open=("a",), shut=("b",))
    assert Walls.from_text(found.to_text()) == found
