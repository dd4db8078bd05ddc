"""What the live objects tell about a home, gathered once for memory, rendering and conditions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from insula.domain import names, times
from insula.domain.gpu import GpuFailure
from insula.domain.manifests import Manifest, ObjectRef
from insula.domain.probes import WITHIN
from insula.domain.situation import Memory
from insula.reconcile import devices, job_reports, reading, workloads
from insula.reconcile.job_reports import JobReport
from insula.reconcile.workloads import Workload

CLAIM_CONTAINER: Final = "claim"


@dataclass(frozen=True)
class Facts:
    """A home as it stands.

    Attributes:
        config_volume: UID of the claim mounted at /config; empty: there is none.
        models_volume: UID of the claim that holds the models.
        models_bound: Whether that claim has its volume, and so its place.
        shared: The images of models that Ollama, which answers, has mounted.
        claim_ended: Whether a claim container ended well on the present volume.
        claim_error: What it said if it ended badly.
        probes: The Jobs that try the walls, one for each position.
        home_assistant_image: The image in the live Deployment; empty: there is none.
        gpu_failure: Ollama's pod, if it stands on a GPU that failed.
    """

    config_volume: str
    models_volume: str
    models_bound: bool
    shared: frozenset[str]
    claim_ended: bool
    claim_error: str
    home_assistant: Workload
    home_assistant_image: str
    ollama: Workload
    pull: JobReport
    converse: JobReport
    probes: tuple[JobReport, ...]
    gpu_failure: GpuFailure | None = None


def gather(objects: Mapping[ObjectRef, Manifest], memory: Memory, now: datetime) -> Facts:
    """Return what the live objects tell."""
    config = reading.find(objects, "PersistentVolumeClaim", names.HOME_ASSISTANT_CONFIG)
    models = reading.find(objects, "PersistentVolumeClaim", names.OLLAMA_MODELS)
    config_volume = reading.uid(config)
    is_first_start = not config_volume or memory.claimed_volume != config_volume
    ended, error = _claim(objects, config)
    ollama = workloads.report(objects, names.OLLAMA, "Ollama", now=now)
    return Facts(
        config_volume=config_volume,
        models_volume=reading.uid(models),
        models_bound=models is not None and reading.status(models).get("phase") == "Bound",
        shared=_shared(objects) if ollama.is_current else frozenset(),
        claim_ended=ended,
        claim_error=error,
        home_assistant=workloads.report(
            objects, names.HOME_ASSISTANT, "Home Assistant", now=now, is_first_start=is_first_start
        ),
        home_assistant_image=_image(objects),
        ollama=ollama,
        pull=job_reports.report(objects, names.PULL, names.PULL_COMPONENT, "the pull Job", now=now),
        converse=job_reports.report(objects, names.CONVERSE, names.CONVERSE, "the converse Job", now=now),
        probes=tuple(
            job_reports.report(objects, name, name, "the probe Job", now=now) for name in map(names.probe, WITHIN)
        ),
        gpu_failure=devices.failed(objects),
    )


def _image(objects: Mapping[ObjectRef, Manifest]) -> str:
    deployment = reading.find(objects, "Deployment", names.HOME_ASSISTANT)
    containers = deployment["spec"]["template"]["spec"]["containers"] if deployment else ()
    return next((str(each.get("image", "")) for each in containers if each["name"] == names.HOME_ASSISTANT), "")


def _shared(objects: Mapping[ObjectRef, Manifest]) -> frozenset[str]:
    deployment = reading.find(objects, "Deployment", names.OLLAMA)
    volumes = deployment["spec"]["template"]["spec"].get("volumes") or () if deployment else ()
    return frozenset(str(each["image"].get("reference", "")) for each in volumes if each.get("image"))


def _claim(objects: Mapping[ObjectRef, Manifest], config: Manifest | None) -> tuple[bool, str]:
    """Say whether a pod claimed the present volume, and what went wrong in the latest one."""
    if config is None:
        return False, ""
    made = times.moment(str(config["metadata"].get("creationTimestamp", "")))
    error = ""
    for pod in reading.pods(objects, names.HOME_ASSISTANT):
        started = times.moment(str(pod["metadata"].get("creationTimestamp", "")))
        # A pod that is older than the claim of the volume has claimed another volume.
        if reading.is_leaving(pod) or (made and started and started < made):
            continue
        container = workloads.state_of(pod, CLAIM_CONTAINER)
        for state in (container.get("state") or {}, container.get("lastState") or {}):
            ended = state.get("terminated") or {}
            if ended.get("exitCode") == 0:
                return True, ""
            message = str(ended.get("message", "")).strip()
            error = error or str(reading.json_object(message).get("error", "")) or message
    return False, error
