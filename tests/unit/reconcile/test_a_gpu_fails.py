"""A GPU fails under a home: what is said, that Ollama gets another pod, and what is forgotten when it is well."""

from builders import World, a_tenant
from insula.domain import names
from insula.domain.manifests import Manifest
from insula.reconcile.devices import SETTLE_S
from insula.reconcile.reasons import Reason

RUNNING: Manifest = {"name": names.OLLAMA, "state": {"running": {"startedAt": "2026-11-25T12:00:00Z"}}}
READY = [{"type": "Ready", "status": "True"}]
NO_ROOM = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."


def on_a_gpu(health: str, resource: str = "nvidia.com/gpu") -> Manifest:
    """Return the status of a pod that is ready, on a device of that health."""
    devices = [{"name": resource, "resources": [{"resourceID": "GPU-7::1", "health": health}]}]
    return {
        "phase": "Running",
        "conditions": READY,
        "containerStatuses": [RUNNING | {"allocatedResourcesStatus": devices}],
    }


def a_home(status: Manifest) -> World:
    world = World(desired=a_tenant(gpu=1, models=())).settle()
    world.add_pod(names.OLLAMA, status=status, name="ollama-old", uid="uid-of-old")
    return world.settle()


def moved(world: World) -> World:
    """Let the time pass after which Ollama gets another pod."""
    return world.pass_time(SETTLE_S).settle()


def template_of(world: World) -> str:
    """Return what tells one template of Ollama's pods from another: another one is another pod."""
    deployment = world.objects[world.ref("apps/v1", "Deployment", names.OLLAMA)]
    return str(deployment["spec"]["template"]["metadata"]["annotations"][names.ANNOTATION_HASH])


HEALTHY_TEMPLATE = template_of(World(desired=a_tenant(gpu=1, models=())).settle())


def replace_pod(world: World, status: Manifest) -> World:
    """Do what Kubernetes does with a changed Deployment: the old pod goes, a new one comes."""
    world.objects.pop(world.ref("v1", "Pod", "ollama-old"))
    world.add_pod(names.OLLAMA, status=status, name="ollama-new", uid="uid-of-new")
    return world.settle()


UNPLACED: Manifest = {
    "phase": "Pending",
    "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NO_ROOM}],
}


def test_a_healthy_gpu_is_nothing_to_speak_of() -> None:
    world = a_home(on_a_gpu("Healthy"))
    assert world.condition("OllamaReady")["reason"] == "Running"
    assert template_of(world) == HEALTHY_TEMPLATE


def test_a_gpu_that_failed_is_told_and_ollama_gets_another_pod() -> None:
    world = a_home(on_a_gpu("Unhealthy"))
    found = world.condition("OllamaReady")
    assert (found["status"], found["reason"]) == ("False", Reason.GPU_FAILED)
    assert "GPU-7::1" in found["message"]
    assert template_of(world) == HEALTHY_TEMPLATE
    assert world.decide().look_again_s == SETTLE_S
    assert template_of(moved(world)) != HEALTHY_TEMPLATE


def test_a_gpu_that_is_well_again_at_once_keeps_its_pod() -> None:
    world = a_home(on_a_gpu("Unhealthy"))
    world.add_pod(names.OLLAMA, status=on_a_gpu("Healthy"), name="ollama-old", uid="uid-of-old")
    assert template_of(moved(world)) == HEALTHY_TEMPLATE
    assert world.condition("OllamaReady")["reason"] == "Running"


def test_the_failure_is_an_event_once() -> None:
    world = World(desired=a_tenant(gpu=1, models=())).settle()
    world.add_pod(names.OLLAMA, status=on_a_gpu("Unhealthy"), uid="uid-of-old")
    first, second = world.step(), world.step()
    assert [(event.type, event.reason) for event in first.events if event.reason == Reason.GPU_FAILED] == [
        ("Warning", "GPUFailed")
    ]
    assert second.events == ()


def test_until_another_gpu_is_free_the_failure_is_what_is_told() -> None:
    world = replace_pod(moved(a_home(on_a_gpu("Unhealthy"))), UNPLACED)
    found = world.condition("OllamaReady")
    assert found["reason"] == Reason.GPU_FAILED
    assert NO_ROOM in found["message"]
    assert world.decide().is_empty


def test_once_ollama_is_well_the_failure_is_forgotten_and_its_pod_is_left_alone() -> None:
    world = moved(a_home(on_a_gpu("Unhealthy")))
    template = template_of(world)
    replace_pod(world, on_a_gpu("Healthy"))
    assert world.condition("OllamaReady")["reason"] == "Running"
    assert world.memory().gpu_failure.devices == ""
    assert template_of(world) == template


def test_another_trouble_of_the_new_pod_is_told_as_what_it_is() -> None:
    crashed = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 1}}}
    status = {"phase": "Running", "containerStatuses": [RUNNING | crashed]}
    world = replace_pod(moved(a_home(on_a_gpu("Unhealthy"))), status)
    assert world.condition("OllamaReady")["reason"] == Reason.CRASHING


def test_a_second_failure_gives_another_pod_again() -> None:
    world = moved(a_home(on_a_gpu("Unhealthy")))
    template = template_of(world)
    assert template_of(moved(replace_pod(world, on_a_gpu("Unhealthy")))) != template


def test_a_home_that_leaves_the_gpu_forgets_the_failure() -> None:
    world = replace_pod(moved(a_home(on_a_gpu("Unhealthy"))), UNPLACED)
    world.desired = a_tenant(models=())
    world.settle()
    assert world.memory().gpu_failure.devices == ""


def test_what_is_no_gpu_of_nvidias_is_none_of_our_business() -> None:
    world = a_home(on_a_gpu("Unhealthy", resource="smarter-devices/fuse"))
    assert world.condition("OllamaReady")["reason"] == "Running"
