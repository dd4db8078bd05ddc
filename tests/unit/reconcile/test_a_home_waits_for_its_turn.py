"""A change that is not a tenant's own restarts its pods when it has its turn, and not before."""

from builders import World, a_platform, a_tenant, some_resources
from insula.domain import names
from insula.domain.platform import Images
from insula.reconcile.model import Turn

MORE = {"resources": some_resources(1500, 1536)}
OLD_SPEC, NEW_SPEC = '{"plan": "old"}', '{"plan": "new"}'


def with_another_plan() -> World:
    """Return a world whose home was ready before its plan came to give more memory; others have their turn."""
    world = World(accepted_spec=OLD_SPEC).ready()
    world.waiting, world.waiting_spec = world.desired, OLD_SPEC
    world.desired, world.accepted_spec = a_tenant(home_assistant=MORE), NEW_SPEC
    world.own_change = world.may_restart = False
    return world


def memory_limit(world: World) -> str:
    deployment = world.objects[world.ref("apps/v1", "Deployment", names.HOME_ASSISTANT)]
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    return str(container["resources"]["limits"]["memory"])


def test_a_home_that_waits_is_left_as_it_is_without_a_single_write() -> None:
    decision = with_another_plan().decide()
    assert decision.is_empty
    assert decision.turn == Turn("standard", waits=True, is_down=False)


def test_a_home_that_has_its_turn_takes_the_plan_and_counts_as_down_until_it_answers() -> None:
    world = with_another_plan()
    world.may_restart = True
    decision = world.step()
    assert decision.turn == Turn("standard", waits=False, is_down=True)
    assert (memory_limit(world), world.memory().accepted_spec) == ("1536Mi", NEW_SPEC)
    world.may_restart = False
    world.waiting = None
    assert world.decide().turn == Turn("standard", is_down=True)  # the old pod still answers
    world.restart_home_assistant(ready=False)
    assert world.decide().turn == Turn("standard", is_down=True)
    world.restart_home_assistant()
    assert world.decide().turn == Turn("standard")


def test_quotas_change_with_the_pods_and_not_before() -> None:
    world = with_another_plan()
    quota = world.ref("v1", "ResourceQuota", "pods")
    before = world.objects[quota]["spec"]
    world.settle()
    assert world.objects[quota]["spec"] == before
    world.may_restart = True
    world.settle()
    assert world.objects[quota]["spec"] != before


def test_what_restarts_nothing_does_not_wait() -> None:
    world = World(accepted_spec=OLD_SPEC).ready()
    world.waiting, world.waiting_spec = world.desired, OLD_SPEC
    world.desired, world.accepted_spec = a_tenant(allowed_cidrs=("192.168.7.0/24",)), NEW_SPEC
    world.own_change = world.may_restart = False
    decision = world.step()
    assert "NetworkPolicy" in [each["kind"] for each in decision.ground]
    assert decision.turn == Turn("standard")
    assert world.memory().accepted_spec == NEW_SPEC


def test_a_home_that_does_not_answer_does_not_wait() -> None:
    world = with_another_plan()
    world.restart_home_assistant(ready=False).settle()
    assert memory_limit(world) == "1536Mi"


def test_a_suspended_home_does_not_wait_and_is_not_down() -> None:
    world = World(accepted_spec=OLD_SPEC).ready()
    world.waiting, world.waiting_spec = a_tenant(suspended=True), OLD_SPEC
    world.desired, world.accepted_spec = a_tenant(home_assistant=MORE, suspended=True), NEW_SPEC
    world.objects = {ref: each for ref, each in world.objects.items() if ref.kind != "Pod"}
    world.own_change = world.may_restart = False
    assert world.step().turn == Turn("standard")
    assert memory_limit(world) == "1536Mi"


def test_a_tenants_own_change_does_not_wait_and_takes_the_plan_as_it_was() -> None:
    world = with_another_plan()
    world.waiting = a_tenant(home_assistant={"resources": some_resources(1000, 1280)})
    world.own_change = True
    decision = world.step()
    assert decision.turn == Turn("standard", waits=True, is_down=True)
    assert (memory_limit(world), world.memory().accepted_spec) == ("1280Mi", OLD_SPEC)


def test_another_image_of_the_platform_waits_for_its_turn() -> None:
    world = World().ready()
    world.platform = a_platform(images=Images("registry.test/insula:1", "home-assistant:2", "registry.test/ollama:2"))
    world.own_change = world.may_restart = False
    decision = world.decide()
    assert decision.is_empty
    assert decision.turn == Turn("standard", waits=True)
    world.may_restart = True
    world.settle()
    assert world.memory().upgrade.tried == "home-assistant:2"


def test_a_tenants_own_change_of_its_image_does_not_wait() -> None:
    world = World().ready()
    world.desired = a_tenant(home_assistant={"image": "home-assistant:2"})
    world.may_restart = False
    world.settle()
    assert world.memory().upgrade.tried == "home-assistant:2"


def test_an_image_is_taken_back_without_waiting_and_counts_as_down() -> None:
    world = World().ready()
    world.platform = a_platform(images=Images("registry.test/insula:1", "home-assistant:2", "registry.test/ollama:1"))
    world.settle().restart_home_assistant(ready=False).settle()
    world.own_change = world.may_restart = False
    world.pass_time(600).settle()
    assert world.condition("UpToDate")["reason"] == "RolledBack"
    world.restart_home_assistant().settle()
    assert world.decide().turn == Turn("standard", is_down=True)


def test_drift_is_repaired_without_waiting() -> None:
    world = World().ready()
    world.own_change = world.may_restart = False
    deployment = world.objects[world.ref("apps/v1", "Deployment", names.HOME_ASSISTANT)]
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "somebody/else:1"
    assert [each["kind"] for each in world.decide().apply] == ["Deployment"]
