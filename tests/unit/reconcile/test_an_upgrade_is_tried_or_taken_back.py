"""What happens when another image of Home Assistant is asked for."""

from builders import World, a_platform, a_tenant
from insula.domain import names
from insula.domain.platform import Images
from insula.domain.situation import Upgrade

OLD, NEW, NEWER = "registry.test/home-assistant:1", "registry.test/home-assistant:2", "registry.test/home-assistant:3"
DEADLINE_S = 600


def upgrading(image: str = NEW) -> World:
    """Return a world whose home was ready and is now asked to run another image."""
    world = World().ready()
    world.desired = a_tenant(home_assistant={"image": image})
    return world.settle()


def image(world: World) -> str:
    deployment = world.objects[world.ref("apps/v1", "Deployment", names.HOME_ASSISTANT)]
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def is_restored(world: World) -> bool:
    """Say whether the pod is told to bring the old data back."""
    deployment = world.objects[world.ref("apps/v1", "Deployment", names.HOME_ASSISTANT)]
    (claim,) = deployment["spec"]["template"]["spec"]["initContainers"]
    return {"name": "INSULA_ROLLED_BACK", "value": "1"} in claim["env"]


def failed() -> World:
    world = upgrading().restart_home_assistant(ready=False)
    world.pass_time(DEADLINE_S)
    return world.settle()


def test_a_home_at_rest_remembers_nothing_of_its_image() -> None:
    assert World().ready().memory().upgrade == Upgrade()


def test_the_new_image_runs_and_the_old_one_is_remembered() -> None:
    world = upgrading()
    assert (image(world), is_restored(world)) == (NEW, False)
    assert world.memory().upgrade == Upgrade(good=OLD, tried=NEW, since=world.stamp())
    assert world.condition("UpToDate")["reason"] == "Upgrading"


def test_the_old_pod_that_still_answers_proves_nothing() -> None:
    world = upgrading()
    assert world.condition("HomeAssistantReady")["status"] == "True"
    assert world.memory().upgrade.tried == NEW


def test_an_image_that_becomes_ready_stays_and_the_old_one_is_forgotten() -> None:
    world = upgrading().restart_home_assistant().settle()
    assert (image(world), world.memory().upgrade) == (NEW, Upgrade())
    assert world.condition("UpToDate")["status"] == "True"
    world.pass_time(10 * DEADLINE_S).settle()
    assert image(world) == NEW


def test_an_image_that_does_not_become_ready_is_taken_back_with_its_data() -> None:
    world = failed()
    assert (image(world), is_restored(world)) == (OLD, True)
    found = world.condition("UpToDate")
    assert (found["status"], found["reason"]) == ("False", "RolledBack")
    assert NEW in found["message"]
    assert OLD in found["message"]


def test_a_home_that_was_taken_back_is_ready() -> None:
    world = failed().restart_home_assistant().settle()
    assert world.condition("Ready")["status"] == "True"
    assert world.condition("UpToDate")["reason"] == "RolledBack"
    world.pass_time(10 * DEADLINE_S).settle()
    assert image(world) == OLD


def test_someone_looks_when_the_time_is_up() -> None:
    world = upgrading().restart_home_assistant(ready=False).settle()
    looks = [world.decide().look_again_s]
    world.pass_time(DEADLINE_S - 1)
    looks.append(world.decide().look_again_s)
    assert all(each is not None and 0 < each <= DEADLINE_S for each in looks)
    assert looks[1] == 1


def test_a_failed_image_is_told_as_an_event() -> None:
    world = upgrading().restart_home_assistant(ready=False).settle()
    world.pass_time(DEADLINE_S)
    assert [event.reason for event in world.decide().events if event.type == "Warning"] == ["RolledBack"]


def test_after_a_failure_yet_another_image_is_tried() -> None:
    world = failed().restart_home_assistant().settle()
    world.desired = a_tenant(home_assistant={"image": NEWER})
    world.settle()
    assert (image(world), is_restored(world)) == (NEWER, False)
    assert world.memory().upgrade.good == OLD


def test_who_goes_back_by_hand_gets_the_old_data_too() -> None:
    world = upgrading().restart_home_assistant(ready=False).settle()
    world.desired = a_tenant()
    world.settle()
    assert (image(world), is_restored(world)) == (OLD, True)
    assert world.condition("UpToDate")["status"] == "True"
    world.desired = a_tenant(home_assistant={"image": NEW})  # and may try the same image again
    world.settle()
    assert (image(world), is_restored(world)) == (NEW, False)


def test_the_providers_own_image_is_tried_alike() -> None:
    world = World().ready()
    world.platform = a_platform(images=Images("registry.test/insula:1", NEW, "registry.test/ollama:1"))
    world.settle().restart_home_assistant(ready=False).settle()
    world.pass_time(DEADLINE_S).settle()
    assert image(world) == OLD


def test_a_new_home_has_nothing_to_go_back_to() -> None:
    world = World().settle()
    world.desired = a_tenant(home_assistant={"image": NEW})
    world.settle()
    assert (image(world), world.memory().upgrade) == (NEW, Upgrade())


def test_while_the_home_is_suspended_the_time_stands_still() -> None:
    world = upgrading().restart_home_assistant(ready=False).settle()
    world.pass_time(DEADLINE_S - 1)
    world.desired = a_tenant(home_assistant={"image": NEW}, suspended=True)
    world.settle().pass_time(10 * DEADLINE_S).settle()
    assert world.memory().upgrade == Upgrade(good=OLD, tried=NEW)
    world.desired = a_tenant(home_assistant={"image": NEW})
    world.settle()
    assert (image(world), world.memory().upgrade.since) == (NEW, world.stamp())
    world.pass_time(DEADLINE_S).settle()
    assert image(world) == OLD


def test_an_image_changed_while_suspended_is_tried_on_resuming() -> None:
    world = World().ready()
    world.desired = a_tenant(suspended=True)
    world.settle()
    world.desired = a_tenant(home_assistant={"image": NEW}, suspended=True)
    world.settle()
    assert world.memory().upgrade == Upgrade(good=OLD, tried=NEW)


def test_a_change_of_memory_is_no_upgrade() -> None:
    world = World().ready()
    world.desired = a_tenant(home_assistant={"storage_gib": 11})
    assert world.settle().memory().upgrade == Upgrade()


def test_a_volume_that_grows_is_told() -> None:
    world = World().ready()
    claim = world.objects[world.ref("v1", "PersistentVolumeClaim", names.HOME_ASSISTANT_CONFIG)]
    claim["status"] = {"phase": "Bound", "capacity": {"storage": "10Gi"}}
    world.desired = a_tenant(home_assistant={"storage_gib": 20})
    world.settle()
    found = world.condition("UpToDate")
    assert (found["reason"], world.condition("Ready")["status"]) == ("Growing", "True")
    assert "10Gi" in found["message"]
    claim = world.objects[world.ref("v1", "PersistentVolumeClaim", names.HOME_ASSISTANT_CONFIG)]
    claim["status"] = {"phase": "Bound", "capacity": {"storage": "20Gi"}}
    assert world.settle().condition("UpToDate")["status"] == "True"
