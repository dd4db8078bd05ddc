"""What keeps a pod from being ready: the raw state of Deployment and pods, said in one reason and one sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from insula.domain.errors import cap
from insula.domain.manifests import Manifest, ObjectRef
from insula.reconcile import reading
from insula.reconcile.reasons import Reason

IMAGE_REASONS: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
CONFIG_REASONS: Final = frozenset({"CreateContainerConfigError", "CreateContainerError"})
# A sentence that counts seconds is written anew in these steps, not at every look.
COUNTING_STEP_S: Final = 5


@dataclass(frozen=True)
class Workload:
    """Whether a Deployment's one pod is ready, and if not, why."""

    is_ready: bool
    reason: Reason
    message: str
    is_current: bool = False  # whether that pod was made of the Deployment's present template


def report(
    objects: Mapping[ObjectRef, Manifest], name: str, title: str, *, now: datetime, is_first_start: bool = False
) -> Workload:
    """Say how the Deployment `name` and its pods are.

    Args:
        objects: The live objects.
        name: The Deployment's name, which is its component, too.
        title: What people call it.
        now: The time.
        is_first_start: Whether it never ran before on its volume.
    """
    deployment = reading.find(objects, "Deployment", name)
    if deployment is None:
        return Workload(False, Reason.MAKING, f"{title} is being made")
    pods = reading.pods(objects, name)
    present = [pod for pod in pods if not is_over(pod)]
    staying = [pod for pod in present if not reading.is_leaving(pod)]
    if not staying:
        return _without_pod(deployment, present, title)
    pod = staying[-1]
    trouble = pod_trouble(pod, title) or _node_trouble(pod, present, name, title)
    if trouble is not None:
        return Workload(False, *trouble)
    if reading.holds(pod, "Ready"):
        return Workload(True, Reason.RUNNING, f"{title} answers", is_current=_is_current(pod, deployment))
    return _on_its_way(pod, name, title, now=now, is_first_start=is_first_start)


def pod_trouble(pod: Manifest, title: str) -> tuple[Reason, str] | None:
    """Return reason and sentence of what a person has to solve about a pod, None if there is nothing."""
    scheduled = reading.condition(pod, "PodScheduled")
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        why = cap(str(scheduled.get("message", "")))
        return Reason.UNSCHEDULABLE, f"no node takes {title}: {why}. Free or add capacity, or ask for less"
    for container in containers(pod):
        found = _container_trouble(container, title)
        if found is not None:
            return found
    return None


def is_lost(pod: Manifest) -> bool:
    """Say whether a pod's node does not answer: the pod may be dead, or live on where nobody can stop it.

    Kubernetes then calls the pod unready itself; what the node last said of the containers stays. Or it has given
    the pod up already.
    """
    is_silent = reading.condition(pod, "Ready").get("status") == "False" and reading.holds(pod, "ContainersReady")
    given_up = reading.condition(pod, "DisruptionTarget").get("reason") == "DeletionByTaintManager"
    return is_silent or given_up


def containers(pod: Manifest) -> Sequence[Mapping[str, Any]]:
    """Return the states of a pod's containers, those that run first in front."""
    status = reading.status(pod)
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def state_of(pod: Manifest, container: str) -> Mapping[str, Any]:
    """Return the status of one container of a pod, empty if it has none yet."""
    return next((each for each in containers(pod) if each.get("name") == container), {})


def _container_trouble(container: Mapping[str, Any], title: str) -> tuple[Reason, str] | None:
    state: Mapping[str, Any] = container.get("state") or {}
    waiting: Mapping[str, Any] = state.get("waiting") or {}
    reason, message = str(waiting.get("reason", "")), cap(str(waiting.get("message", "")))
    if reason in IMAGE_REASONS:
        image = container.get("image", "")
        return Reason.IMAGE_PULL_FAILED, (
            f"the node cannot fetch the image {image} of {title}: {message or reason}. "
            "Check its name, and that the cluster may pull it"
        )
    if reason in CONFIG_REASONS:
        return Reason.CONTAINER_CONFIG_ERROR, f"{title} cannot be made: {message or reason}"
    ended: Mapping[str, Any] = (container.get("lastState") or {}).get("terminated") or state.get("terminated") or {}
    is_down = reason == "CrashLoopBackOff" or bool(state.get("terminated"))
    if not is_down or not ended or ended.get("exitCode") == 0:
        return None
    if ended.get("reason") == "OOMKilled":
        return Reason.OUT_OF_MEMORY, f"{title} was killed at its memory limit: give it more memory"
    said = cap(str(ended.get("message", "")).strip())
    return Reason.CRASHING, f"{title} ended with status {ended.get('exitCode')}" + (f": {said}" if said else "")


def _without_pod(deployment: Manifest, leaving: Sequence[Manifest], title: str) -> Workload:
    lost = [pod for pod in leaving if is_lost(pod)]
    if lost:
        return Workload(False, *_silent(lost[-1], title, moves=True))
    if leaving:
        return Workload(False, Reason.STOPPING, f"the old pod of {title} is stopping")
    failure = reading.condition(deployment, "ReplicaFailure")
    if failure.get("status") == "True":
        message = str(failure.get("message", ""))
        if "exceeded quota" in message:
            return Workload(False, Reason.QUOTA_EXCEEDED, f"the namespace's quota refuses {title}: {cap(message)}")
        return Workload(False, Reason.POD_REFUSED, f"the API server refuses {title}'s pod: {cap(message)}")
    return Workload(False, Reason.MAKING, f"{title}'s pod is being made")


def _node_trouble(pod: Manifest, present: Sequence[Manifest], name: str, title: str) -> tuple[Reason, str] | None:
    if is_lost(pod):
        return _silent(pod, title, moves=False)
    lost = [each for each in present if is_lost(each)]
    has_begun = bool((state_of(pod, name).get("state") or {}).get("running"))
    return _silent(lost[-1], title, moves=True) if lost and not has_begun else None


def _silent(pod: Manifest, title: str, *, moves: bool) -> tuple[Reason, str]:
    """Say that a pod's node does not answer, and what becomes of it: it waits, or it moves already."""
    node = pod.get("spec", {}).get("nodeName", "")
    then = (
        f"{title} moves to another one, as soon as that may have its volume"
        if moves
        else f"{title} is back with it, or on another one when Kubernetes gives the node up"
    )
    return Reason.NODE_NOT_READY, f"the node {node} does not answer; {then}"


def _on_its_way(pod: Manifest, name: str, title: str, *, now: datetime, is_first_start: bool) -> Workload:
    container = state_of(pod, name)
    running: Mapping[str, Any] = (container.get("state") or {}).get("running") or {}
    if not running:
        return Workload(False, Reason.PREPARING, f"the node prepares {title}: volumes, image")
    passed = int(reading.seconds_since(str(running.get("startedAt", "")), now))
    passed -= passed % COUNTING_STEP_S
    first = " for the first time" if is_first_start else ""
    return Workload(False, Reason.STARTING, f"{title} starts{first}, {passed} s so far")


def _is_current(pod: Manifest, deployment: Manifest) -> bool:
    return reading.rendered_hash(pod) == reading.rendered_hash(deployment["spec"]["template"])


def is_over(pod: Manifest) -> bool:
    """Say whether a pod was evicted or ended: its Deployment makes another."""
    return reading.status(pod).get("phase") in ("Failed", "Succeeded")
