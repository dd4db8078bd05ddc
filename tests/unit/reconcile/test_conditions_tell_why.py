"""Each condition's reasons: what stands in the way, in a word for programs and a sentence for people."""

from typing import Any

import pytest

from builders import MODEL, World, a_platform, a_tenant
from insula.domain import names
from insula.domain.manifests import Manifest
from insula.reconcile.model import PullProgress
from insula.reconcile.reasons import Reason

HOME, SERVER = names.HOME_ASSISTANT, names.OLLAMA
SCHEDULER = "0/1 nodes are available: 1 Insufficient memory."


def waiting(name: str, reason: str, message: str = "", **more: Any) -> Manifest:
    return {"name": name, "image": "own/image:1", "state": {"waiting": {"reason": reason, "message": message}}, **more}


def ended(exit_code: int, message: str = "", reason: str = "Error") -> Manifest:
    return {"terminated": {"exitCode": exit_code, "message": message, "reason": reason}}


def pod_of(*containers: Manifest, phase: str = "Pending", **status: Any) -> Manifest:
    return {"phase": phase, "containerStatuses": list(containers), **status}


def silent(component: str) -> Manifest:
    """Return the status of a pod that ran when its node was last heard."""
    return pod_of(
        {"name": component, "ready": True, "state": {"running": {"startedAt": "2026-11-25T11:00:00Z"}}},
        phase="Running",
        conditions=[{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}],
    )


GIVEN_UP = {
    "phase": "Running",
    "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}],
}
UNSCHEDULABLE = {
    "phase": "Pending",
    "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": SCHEDULER}],
}


def with_pod(component: str, status: Manifest) -> World:
    world = World().settle()
    world.add_pod(component, status=status)
    return world.settle()


def assert_says(world: World, kind: str, reason: Reason, *words: str) -> None:
    found = world.condition(kind)
    assert found["reason"] == reason
    assert found["status"] == "False"
    for word in words:
        assert word in found["message"]


def test_the_namespace_is_being_made_at_the_first_look() -> None:
    world = World()
    world.step()
    assert_says(world, "NamespaceReady", Reason.MAKING, "insula-alice")
    assert world.settle().condition("NamespaceReady")["status"] == "True"


@pytest.mark.parametrize(("component", "kind"), [(HOME, "HomeAssistantReady"), (SERVER, "OllamaReady")])
class TestAPod:
    def test_that_is_not_there_yet(self, component: str, kind: str) -> None:
        assert_says(World().settle(), kind, Reason.MAKING)

    def test_that_no_node_takes(self, component: str, kind: str) -> None:
        assert_says(with_pod(component, UNSCHEDULABLE), kind, Reason.UNSCHEDULABLE, SCHEDULER, "capacity")

    @pytest.mark.parametrize("said", ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"])
    def test_whose_image_cannot_be_fetched(self, component: str, kind: str, said: str) -> None:
        world = with_pod(component, pod_of(waiting(component, said, "not found")))
        assert_says(world, kind, Reason.IMAGE_PULL_FAILED, "own/image:1", "not found", "Check its name")

    def test_whose_secret_is_missing(self, component: str, kind: str) -> None:
        world = with_pod(component, pod_of(waiting(component, "CreateContainerConfigError", 'secret "x" not found')))
        assert_says(world, kind, Reason.CONTAINER_CONFIG_ERROR, 'secret "x" not found')

    def test_that_ends_again_and_again(self, component: str, kind: str) -> None:
        container = waiting(component, "CrashLoopBackOff", lastState=ended(3, "no such file"))
        assert_says(with_pod(component, pod_of(container)), kind, Reason.CRASHING, "status 3", "no such file")

    def test_that_needs_more_memory(self, component: str, kind: str) -> None:
        container = waiting(component, "CrashLoopBackOff", lastState=ended(137, reason="OOMKilled"))
        assert_says(with_pod(component, pod_of(container)), kind, Reason.OUT_OF_MEMORY, "more memory")

    def test_that_the_node_prepares(self, component: str, kind: str) -> None:
        world = with_pod(component, pod_of(waiting(component, "ContainerCreating")))
        assert_says(world, kind, Reason.PREPARING)

    def test_that_starts(self, component: str, kind: str) -> None:
        world = World().settle()
        status = pod_of({"name": component, "state": {"running": {"startedAt": world.stamp()}}}, phase="Running")
        world.add_pod(component, status=status)
        world.pass_time(12).settle()
        assert_says(world, kind, Reason.STARTING, "10 s so far")
        assert world.decide().look_again_s == 5

    def test_that_is_stopping(self, component: str, kind: str) -> None:
        world = World().settle()
        world.add_pod(component, status=pod_of(phase="Running"), deletionTimestamp=world.stamp())
        assert_says(world.settle(), kind, Reason.STOPPING)

    def test_that_stops_is_told_of_before_the_quota_that_it_still_takes(self, component: str, kind: str) -> None:
        world = refused(component, "pods is forbidden: exceeded quota: pods")
        world.add_pod(component, status=pod_of(phase="Running"), deletionTimestamp=world.stamp())
        assert_says(world.settle(), kind, Reason.STOPPING)

    def test_whose_node_does_not_answer(self, component: str, kind: str) -> None:
        world = World().settle()
        world.add_pod(component, status=silent(component))["spec"] = {"nodeName": "n2"}
        assert_says(world.settle(), kind, Reason.NODE_NOT_READY, "n2 does not answer", "back with it")

    def test_that_was_given_up_with_its_node(self, component: str, kind: str) -> None:
        world = World().settle()
        pod = world.add_pod(component, status=GIVEN_UP, deletionTimestamp=world.stamp())
        pod["spec"] = {"nodeName": "n2"}
        assert_says(world.settle(), kind, Reason.NODE_NOT_READY, "n2", "moves to another one")

    def test_whose_successor_waits_beside_it_for_the_volume(self, component: str, kind: str) -> None:
        world = World().settle()
        pod = world.add_pod(component, status=GIVEN_UP, name="old", deletionTimestamp=world.stamp())
        pod["spec"] = {"nodeName": "n2"}
        world.add_pod(component, status=pod_of(waiting(component, "ContainerCreating")), name="successor")
        assert_says(world.settle(), kind, Reason.NODE_NOT_READY, "n2", "moves to another one")

    def test_whose_successor_answers(self, component: str, kind: str) -> None:
        world = World().claimed()
        world.add_pod(component, status=GIVEN_UP, name="old", deletionTimestamp=world.stamp())
        assert world.settle().condition(kind)["reason"] == Reason.RUNNING

    def test_that_was_evicted_is_forgotten(self, component: str, kind: str) -> None:
        assert_says(with_pod(component, pod_of(phase="Failed")), kind, Reason.MAKING)

    def test_that_the_quota_refuses(self, component: str, kind: str) -> None:
        assert_says(refused(component, "pods is forbidden: exceeded quota: pods"), kind, Reason.QUOTA_EXCEEDED, "quota")

    def test_that_the_api_server_refuses(self, component: str, kind: str) -> None:
        world = refused(component, "violates PodSecurity")
        assert_says(world, kind, Reason.POD_REFUSED, "violates PodSecurity")

    def test_that_answers(self, component: str, kind: str) -> None:
        world = World().claimed()
        assert world.condition(kind)["status"] == "True"
        assert world.condition(kind)["reason"] == Reason.RUNNING

    def test_that_is_suspended(self, component: str, kind: str) -> None:
        world = World(desired=a_tenant(suspended=True)).settle()
        assert_says(world, kind, Reason.SUSPENDED, "insula tenant resume alice")


def test_a_container_that_goes_on_after_a_crash_starts() -> None:
    container = {"name": SERVER, "state": {"running": {"startedAt": ""}}, "lastState": ended(1)}
    assert_says(with_pod(SERVER, pod_of(container, phase="Running")), "OllamaReady", Reason.STARTING)


def test_home_assistants_first_start_is_called_so() -> None:
    world = World().settle()
    running = pod_of({"name": HOME, "state": {"running": {"startedAt": world.stamp()}}}, phase="Running")
    world.add_pod(HOME, status=running)
    assert_says(world.settle(), "HomeAssistantReady", Reason.STARTING, "for the first time, 0 s so far")


def test_the_home_is_being_claimed_while_its_pod_comes_up() -> None:
    assert_says(with_pod(HOME, pod_of(waiting(HOME, "PodInitializing"))), "Claimed", Reason.CLAIMING)


def test_the_claim_waits_for_the_pod() -> None:
    world = with_pod(HOME, UNSCHEDULABLE)
    assert_says(world, "Claimed", Reason.WAITING_FOR_HOME_ASSISTANT, SCHEDULER)


def test_a_failed_claim_says_what_the_container_said() -> None:
    claim = {"name": "claim", "state": ended(1, '{"error": "disk full"}')}
    world = with_pod(HOME, pod_of(waiting(HOME, "PodInitializing"), initContainerStatuses=[claim]))
    assert_says(world, "Claimed", Reason.CLAIM_FAILED, "disk full", "-c claim")
    assert_says(world, "HomeAssistantReady", Reason.CLAIM_FAILED, "disk full")


def test_a_home_that_was_never_started_cannot_be_claimed_while_it_is_suspended() -> None:
    assert_says(World(desired=a_tenant(suspended=True)).settle(), "Claimed", Reason.SUSPENDED)


def test_the_route_waits_for_the_claim() -> None:
    assert_says(World().settle(), "RouteReady", Reason.WAITING_FOR_CLAIM)


def test_the_route_waits_for_its_certificate() -> None:
    world = World().claimed()
    assert_says(world, "RouteReady", Reason.CERTIFICATE_PENDING, "ha.alice.example.com")


def test_a_refused_certificate_says_why() -> None:
    world = World().claimed().issue_certificate()
    certificate = world.objects[world.ref("cert-manager.io/v1", "Certificate", HOME)]
    issuing = {"type": "Issuing", "status": "False", "reason": "Failed", "message": "rate limited"}
    certificate["status"] = {"conditions": [issuing]}
    assert_says(world.settle(), "RouteReady", Reason.CERTIFICATE_FAILED, "rate limited", "describe certificate")


def test_the_route_needs_no_certificate_of_its_own_where_there_is_no_issuer() -> None:
    assert World(platform=a_platform(issuer_name="")).claimed().condition("RouteReady")["reason"] == Reason.SERVING


def test_the_ingress_is_being_made() -> None:
    world = World().claimed().issue_certificate()
    world.objects.pop(world.ref("networking.k8s.io/v1", "Ingress", HOME))
    world.step()
    assert_says(world, "RouteReady", Reason.MAKING)


def test_the_models_wait_for_their_volume() -> None:
    assert_says(World().settle(), "ModelsReady", Reason.WAITING_FOR_VOLUME, "Ollama's pod")


def test_pulling_tells_how_far_it_is() -> None:
    world = World().claimed()
    world.progress = PullProgress(MODEL, 430, 1000)
    world.settle()
    assert_says(world, "ModelsReady", Reason.PULLING, f"pulling {MODEL}, 43 %")
    assert world.tenant is not None
    assert world.tenant["status"]["progress"] == {"model": MODEL, "completed": 430, "total": 1000, "percent": 43}
    assert world.decide().look_again_s == 2


def test_pulling_names_the_models_before_there_is_progress() -> None:
    assert_says(World().claimed(), "ModelsReady", Reason.PULLING, f"pulling {MODEL}")


def test_pulling_tells_of_the_attempt_that_failed() -> None:
    world = World().claimed()
    world.end_pod(names.PULL, '{"error": "no route", "remedy": "Open the registry"}', exit_code=1)
    assert_says(world.settle(), "ModelsReady", Reason.PULLING, "the last attempt failed: no route. Open the registry")


def test_a_pull_that_gave_up_says_why_and_when_it_is_tried_again() -> None:
    world = World().claimed().fail_job(names.PULL, '{"error": "no such model", "remedy": "Correct its name"}')
    words = ("no such model. Correct its name", "again within 10 minutes")
    assert_says(world.settle(), "ModelsReady", Reason.PULL_FAILED, *words)


def test_a_pull_that_gave_up_without_a_word_says_what_kubernetes_says() -> None:
    world = World().claimed().fail_job(names.PULL, "")
    assert_says(world.settle(), "ModelsReady", Reason.PULL_FAILED, "gave up")


def test_a_traceback_is_cut_to_its_last_line() -> None:
    world = World().claimed().fail_job(names.PULL, "Traceback\n  File\nValueError: x")
    assert "pulling gemma3:270m failed: ValueError: x." in world.settle().condition("ModelsReady")["message"]


def test_a_pull_job_that_no_node_takes_says_so() -> None:
    world = World().claimed()
    world.add_pod(names.PULL_COMPONENT, status=UNSCHEDULABLE, owner=world.job(names.PULL)["metadata"]["uid"])
    assert_says(world.settle(), "ModelsReady", Reason.UNSCHEDULABLE, SCHEDULER)


def test_a_pod_of_an_older_job_says_nothing_about_this_one() -> None:
    world = World().claimed()
    world.add_pod(names.PULL_COMPONENT, status=UNSCHEDULABLE, owner="older")
    assert_says(world.settle(), "ModelsReady", Reason.PULLING)


def test_models_are_pulled_when_the_home_is_resumed() -> None:
    assert_says(World(desired=a_tenant(suspended=True)).settle(), "ModelsReady", Reason.SUSPENDED, MODEL)


def test_without_models_there_is_nobody_to_talk_to() -> None:
    world = World(desired=a_tenant(models=())).settle()
    assert world.condition("ModelsReady")["status"] == "True"
    assert_says(world, "ConversationReady", Reason.NO_MODEL, "spec.ollama.models")


def test_the_conversation_waits_for_models() -> None:
    assert_says(World().claimed(), "ConversationReady", Reason.WAITING_FOR_MODELS)


def with_models() -> World:
    return World().claimed().finish_job(names.PULL, f'{{"models": {{"{MODEL}": "sha256:1"}}}}').settle()


def test_the_conversation_waits_for_home_assistant() -> None:
    world = with_models()
    world.start_home_assistant(ready=False)
    assert_says(world.settle(), "ConversationReady", Reason.WAITING_FOR_HOME_ASSISTANT)


def test_the_conversation_waits_for_ollama() -> None:
    world = with_models()
    world.start_ollama(ready=False)
    assert_says(world.settle(), "ConversationReady", Reason.WAITING_FOR_OLLAMA)


def test_the_conversation_is_being_set_up() -> None:
    assert_says(with_models(), "ConversationReady", Reason.SETTING_UP, MODEL)


def test_setting_up_tells_of_the_attempt_that_failed() -> None:
    world = with_models()
    world.end_pod(names.CONVERSE, '{"error": "no login"}', exit_code=1)
    assert_says(world.settle(), "ConversationReady", Reason.SETTING_UP, "the last attempt failed: no login")


def test_setting_up_that_gave_up_says_why() -> None:
    world = with_models().fail_job(names.CONVERSE, '{"error": "no login", "remedy": "Reset the password"}')
    assert_says(world.settle(), "ConversationReady", Reason.SETUP_FAILED, "no login. Reset the password")


def test_a_converse_job_whose_image_is_missing_says_so() -> None:
    world = with_models()
    status = pod_of(waiting(names.CONVERSE, "ErrImagePull"))
    world.add_pod(names.CONVERSE, status=status, owner=world.job(names.CONVERSE)["metadata"]["uid"])
    assert_says(world.settle(), "ConversationReady", Reason.IMAGE_PULL_FAILED)


def test_ready_names_the_first_thing_that_is_missing() -> None:
    assert_says(World().settle(), "Ready", Reason.MAKING, "HomeAssistantReady: ")


def test_a_home_whose_newest_spec_is_rejected_is_not_ready() -> None:
    world = World().ready()
    world.latched, world.host_claims = world.desired, {}
    world.desired = a_tenant(adopt="another-id")
    assert world.settle().condition("Ready")["reason"] == "AdoptMismatch"


def test_every_reason_is_one_word_for_programs() -> None:
    assert all(reason.value.isalpha() and reason.value[0].isupper() for reason in Reason)


def test_every_message_fits_its_field() -> None:
    world = with_pod(HOME, pod_of(waiting(HOME, "ErrImagePull", "x" * 100_000)))
    assert len(world.condition("HomeAssistantReady")["message"]) < 1024


def refused(component: str, message: str) -> World:
    world = World().settle()
    deployment = world.objects[world.ref("apps/v1", "Deployment", component)]
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    deployment["status"] = {"conditions": [failure]}
    return world.settle()


def terminating(*, seconds: float) -> World:
    """Return a world whose namespace Kubernetes has been removing for so long."""
    world = World().ready()
    assert world.namespace is not None
    world.namespace["metadata"]["deletionTimestamp"] = world.stamp()
    return world.pass_time(seconds)


def test_a_namespace_that_goes_is_waited_for() -> None:
    world = terminating(seconds=5)
    decision = world.step()
    assert world.condition("NamespaceReady")["reason"] == "Terminating"
    assert decision.look_again_s == 115
    assert (decision.apply, decision.delete) == ((), ())


def test_a_namespace_that_is_stuck_names_the_object_that_holds_it() -> None:
    world = terminating(seconds=200)
    claim = world.objects[world.ref("v1", "PersistentVolumeClaim", names.OLLAMA_MODELS)]
    claim["metadata"] |= {"deletionTimestamp": world.stamp(), "finalizers": ["kubernetes.io/pvc-protection"]}
    assert world.namespace is not None
    said = "Some content in the namespace has finalizers remaining: example.com/never in 1 resource instances"
    condition = {"type": "NamespaceFinalizersRemaining", "status": "True", "message": said}
    world.namespace["status"] = {"conditions": [condition]}
    decision = world.step()
    found = world.condition("NamespaceReady")
    assert found["reason"] == "StuckTerminating"
    assert "PersistentVolumeClaim ollama-models (kubernetes.io/pvc-protection)" in found["message"]
    assert "example.com/never" in found["message"]
    assert "StuckTerminating" in [event.reason for event in decision.events]
