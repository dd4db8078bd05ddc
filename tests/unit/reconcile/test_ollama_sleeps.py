"""An Ollama that nobody asks sleeps, and one that somebody asks wakes; neither is a fault of its home."""

from datetime import timedelta

import pytest

from builders import NOW, World, a_sleeper, a_tenant, some_resources
from insula.domain import names
from insula.domain.activity import Activity, SleepState
from insula.domain.manifests import Manifest
from insula.reconcile.model import Turn

AFTER_S = 600


def a_home() -> World:
    """Return a home that is set up, whose Ollama is awake."""
    return World(desired=a_sleeper(AFTER_S)).ready()


def asleep() -> World:
    world = a_home().pass_time(AFTER_S)
    world.settle()
    return world.stop_ollama().settle()


def state(world: World) -> SleepState:
    return Activity.of(world.lease()).state


def condition(world: World, kind: str) -> tuple[str, str]:
    found = world.condition(kind)
    return found["status"], found["reason"]


def test_a_home_whose_plan_says_nothing_has_no_lease_and_never_sleeps() -> None:
    world = World().ready().pass_time(10 * AFTER_S).settle()
    assert not world.has("Lease", names.ACTIVITY)
    assert world.replicas() == 1


def test_a_new_home_stays_awake_until_its_conversation_is_set_up_and_for_its_time_from_then() -> None:
    world = World(desired=a_sleeper(AFTER_S)).claimed().pass_time(10 * AFTER_S).settle()
    assert (state(world), world.replicas()) == (SleepState.NEW, 1)
    world.issue_certificate()
    world = a_home()
    assert Activity.of(world.lease()).renewed == world.now
    world.pass_time(AFTER_S - 1).settle()
    assert (state(world), world.replicas()) == (SleepState.AWAKE, 1)
    assert world.decide().look_again_s == 1


def test_ollama_sleeps_when_nobody_has_asked_for_its_time_and_the_home_is_as_it_should_be() -> None:
    world = asleep()
    assert (state(world), world.replicas(), world.replicas(names.HOME_ASSISTANT)) == (SleepState.ASLEEP, 0, 1)
    assert condition(world, "OllamaReady") == ("True", "Asleep")
    assert condition(world, "Ready") == ("True", "Ready")
    assert world.decide().turn == Turn("standard")


def test_the_lease_says_asleep_before_the_pod_goes() -> None:
    world = a_home().pass_time(AFTER_S)
    assert (world.step().activity is not None, world.replicas()) == (True, 1)
    world.step()
    assert world.replicas() == 0


def test_whoever_asks_last_keeps_it_awake() -> None:
    world = a_home().pass_time(AFTER_S - 1)
    world.somebody_asks()
    world.pass_time(AFTER_S - 1).settle()
    assert world.replicas() == 1


def test_a_judgement_of_an_older_lease_is_refused() -> None:
    world = a_home().pass_time(AFTER_S)
    decision = world.decide()
    world.somebody_asks()
    assert decision.activity is not None
    with pytest.raises(AssertionError):
        world.write_lease(decision.activity)


def test_ollama_wakes_when_somebody_asks_and_its_home_is_not_called_broken_meanwhile() -> None:
    world = asleep()
    world.somebody_asks()
    assert state(world) is SleepState.WANTED
    world.settle()
    assert (state(world), world.replicas()) == (SleepState.AWAKE, 1)
    assert condition(world, "OllamaReady") == ("True", "Waking")
    world.start_ollama(ready=False).settle()
    assert condition(world, "OllamaReady") == ("True", "Waking")
    assert world.decide().turn == Turn("standard")
    world.start_ollama().settle()
    assert condition(world, "OllamaReady") == ("True", "Running")
    assert world.replicas() == 1


def test_a_wake_that_takes_too_long_is_told_as_what_it_is() -> None:
    world = asleep()
    world.somebody_asks()
    world.settle().start_ollama(ready=False)
    world.pass_time(301).settle()
    assert condition(world, "OllamaReady") == ("False", "Starting")


def test_a_wake_that_finds_no_node_is_told_to_people_and_to_the_gateway() -> None:
    world = asleep()
    world.somebody_asks()
    world.settle()
    full = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: no gpu"}
    world.add_pod(names.OLLAMA, status={"phase": "Pending", "conditions": [full]})
    world.settle()
    assert condition(world, "OllamaReady") == ("False", "Unschedulable")
    assert "no gpu" in Activity.of(world.lease()).obstacle
    world.start_ollama().settle()
    assert Activity.of(world.lease()).obstacle == ""


@pytest.mark.parametrize("status", [{"replicas": 1}, {"observedGeneration": 1}])
def test_one_that_was_told_to_go_goes_before_another_comes(status: Manifest) -> None:
    world = a_home().pass_time(AFTER_S)
    world.settle()
    deployment = world.objects[world.ref("apps/v1", "Deployment", names.OLLAMA)]
    deployment["metadata"]["generation"] = 2
    world.somebody_asks()
    assert world.settle().replicas() == 0  # its pod is there
    world.stop_ollama()
    deployment["status"] = {"observedGeneration": 2} | status
    assert world.settle().replicas() == 0  # its Deployment has not seen it go
    assert state(world) is SleepState.WANTED
    deployment["status"] = {"observedGeneration": 2}
    assert world.settle().replicas() == 1
    assert state(world) is SleepState.AWAKE


def test_a_home_that_is_asked_before_its_pod_was_told_to_go_keeps_it() -> None:
    world = a_home().pass_time(AFTER_S)
    world.step()
    world.somebody_asks()
    assert world.settle().replicas() == 1
    assert state(world) is SleepState.AWAKE


def test_another_plan_restarts_a_sleeper_without_its_turn() -> None:
    world = asleep()
    more = a_sleeper(AFTER_S, home_assistant={}, allowed_cidrs=())
    assert world.desired is not None
    world.waiting, world.waiting_spec = world.desired, world.accepted_spec
    world.desired = a_tenant(ollama={"inference": more.ollama.inference, "resources": some_resources(500, 512)})
    world.own_change = world.may_restart = False
    decision = world.step()
    assert decision.turn == Turn("standard", waits=False, is_down=False)
    assert world.replicas() == 0


def test_a_plan_that_lets_homes_sleep_no_more_wakes_them_and_takes_the_lease_away() -> None:
    world = asleep()
    world.desired = a_tenant()
    world.settle()
    assert world.replicas() == 1
    assert not world.has("Lease", names.ACTIVITY)
    assert not world.has("RoleBinding", "insula-gateway-activity")


def test_a_suspended_home_says_so_to_whoever_asks() -> None:
    world = a_home()
    world.desired = a_sleeper(AFTER_S, suspended=True)
    world.settle()
    assert "suspended" in Activity.of(world.lease()).obstacle
    world.pass_time(2 * AFTER_S).settle()
    assert state(world) is SleepState.AWAKE


def test_a_time_ahead_of_the_operators_clock_is_now() -> None:
    world = a_home()
    patch = Activity.of(world.lease()).asked(NOW + timedelta(days=1))
    world.write_lease(patch)
    world.settle()
    assert world.replicas() == 1
