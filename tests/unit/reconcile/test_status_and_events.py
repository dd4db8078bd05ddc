"""The written status: since when, of which generation, and what is told as an event."""

from builders import MODEL, World, a_tenant
from insula.domain import names
from insula.domain.conditions import ConditionType
from insula.domain.errors import InvalidSpecError
from insula.reconcile.model import EventWish, PullProgress


def test_conditions_stand_in_the_order_in_which_they_become_true() -> None:
    world = World().settle()
    assert world.tenant is not None
    assert [each["type"] for each in world.tenant["status"]["conditions"]] == [kind.value for kind in ConditionType]


def test_a_transition_is_dated_and_a_new_reason_alone_is_none() -> None:
    world = World().settle()
    first = world.condition("OllamaReady")["lastTransitionTime"]
    world.pass_time(60).start_ollama(ready=False).settle()
    assert world.condition("OllamaReady")["lastTransitionTime"] == first
    world.pass_time(60).start_ollama().settle()
    assert world.condition("OllamaReady")["lastTransitionTime"] == world.stamp() != first


def test_the_status_says_which_generation_it_speaks_of() -> None:
    world = World().settle()
    assert world.tenant is not None
    world.tenant["metadata"]["generation"] = 7
    world.settle()
    assert world.tenant["status"]["observedGeneration"] == 7
    assert world.condition("Ready")["observedGeneration"] == 7


def test_an_unchanged_home_has_no_status_to_write_however_late_it_is() -> None:
    assert World().ready().pass_time(10**6).decide().status is None


def test_progress_ends_with_the_pull() -> None:
    world = World().claimed()
    world.progress = PullProgress(MODEL, 1, 2)
    world.settle()
    world.finish_job(names.PULL, f'{{"models": {{"{MODEL}": "sha256:1"}}}}').settle()
    assert world.tenant is not None
    assert "progress" not in world.tenant["status"]


def test_progress_without_a_known_size_is_none() -> None:
    assert PullProgress(MODEL, 5, 0).percent == 0
    assert PullProgress(MODEL, 9, 5).percent == 100


def test_a_status_in_a_namespace_of_another_bears_no_identity_of_another() -> None:
    world = World().ready().create_again().settle()
    assert world.tenant is not None
    assert "tenantId" not in world.tenant["status"]


def test_a_milestone_is_told_once() -> None:
    world = World().settle()
    world.bind_volumes().start_home_assistant()
    told = [event for _ in range(3) for event in world.step().events]
    assert [event.reason for event in told if event.message.startswith("Claimed: ")] == ["Claimed"]


def test_a_step_between_milestones_is_no_event() -> None:
    world = World().settle()
    world.start_ollama()
    assert world.step().events == ()


def test_trouble_is_told_as_a_warning_once() -> None:
    world = World().settle()
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "too small"}
    world.add_pod(names.OLLAMA, status={"phase": "Pending", "conditions": [unscheduled]})
    (event,) = world.step().events
    assert (event.type, event.reason) == ("Warning", "Unschedulable")
    assert world.step().events == ()


def test_a_rejection_is_told_as_a_warning() -> None:
    world = World(rejection=InvalidSpecError("no such plan", remedy="Name another", reason="PlanMissing"))
    assert world.step().events == (EventWish("Warning", "PlanMissing", "Accepted: no such plan: Name another"),)


def test_waiting_is_no_event() -> None:
    world = World(desired=a_tenant())
    assert [event.reason for event in world.step().events] == ["Accepted"]
