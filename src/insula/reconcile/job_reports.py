"""What a Job came to, read from the Job, its pods, and the message that they ended with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from insula.domain import names
from insula.domain.errors import cap
from insula.domain.manifests import Manifest, ObjectRef
from insula.reconcile import reading, workloads
from insula.reconcile.reasons import Reason

# A Job that gave up is made again after this time: registries come back.
RETRY_FAILED_S: Final = 600.0


class JobState(StrEnum):
    """Where a Job is."""

    ABSENT = "absent"
    UNDER_WAY = "under-way"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True)
class JobReport:
    """Where a Job is. `result` is what it said at its end; `error` what went wrong last, with the remedy.

    `trouble` is what keeps its pod from running. `retry_in_s` counts down after a failure; None: no failure.
    """

    state: JobState
    purpose: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    trouble: tuple[Reason, str] | None = None
    retry_in_s: float | None = None


def report(objects: Mapping[ObjectRef, Manifest], name: str, component: str, title: str, *, now: datetime) -> JobReport:
    """Say where the Job `name` is, whose pods bear the label `component`. One on its way out counts as absent."""
    job = reading.find(objects, "Job", name)
    if job is None:
        return JobReport(JobState.ABSENT)
    purpose = reading.annotations(job).get(names.ANNOTATION_PURPOSE, "")
    pods = [pod for pod in reading.pods(objects, component) if _is_of(pod, job)]
    said = _last_words(pods)
    # Kubernetes calls a Job complete some seconds after its pod's only container has ended well.
    if reading.holds(job, "Complete") or any(_has_ended_well(pod) for pod in pods):
        return JobReport(JobState.SUCCEEDED, purpose, said)
    error = _error(said)
    if reading.holds(job, "Failed"):
        failed = reading.condition(job, "Failed")
        passed = reading.seconds_since(str(failed.get("lastTransitionTime", "")), now)
        error = error or cap(str(failed.get("message", ""))) or "it gave no reason"
        return JobReport(JobState.FAILED, purpose, error=error, retry_in_s=max(0.0, RETRY_FAILED_S - passed))
    running = [pod for pod in pods if reading.status(pod).get("phase") not in ("Failed", "Succeeded")]
    trouble = workloads.pod_trouble(running[-1], title) if running else None
    return JobReport(JobState.UNDER_WAY, purpose, error=error, trouble=trouble)


def _is_of(pod: Manifest, job: Manifest) -> bool:
    owners = pod["metadata"].get("ownerReferences") or ()
    return any(owner.get("uid") == reading.uid(job) for owner in owners)


def _has_ended_well(pod: Manifest) -> bool:
    ended = [(container.get("state") or {}).get("terminated") for container in workloads.containers(pod)]
    return bool(ended) and all(end is not None and end.get("exitCode") == 0 for end in ended)


def _last_words(pods: list[Manifest]) -> Mapping[str, Any]:
    """Return the message of the pod that ended last: a JSON object, or a text as `error`."""
    for pod in reversed(pods):
        for container in workloads.containers(pod):
            ended = (container.get("state") or {}).get("terminated") or {}
            message = str(ended.get("message", "")).strip()
            if message:
                return reading.json_object(message) or {"error": cap(message.splitlines()[-1])}
    return {}


def _error(said: Mapping[str, Any]) -> str:
    error, remedy = cap(str(said.get("error", ""))), cap(str(said.get("remedy", "")))
    return f"{error}. {remedy}" if error and remedy else error
