"""A home's GPU that fails: how it is seen, what is remembered, and what is said until another one carries Ollama.

The kubelet tells each pod's devices and their health in the pod's status (from Kubernetes 1.31 behind a gate, from 1.36
by default). A process on a device that failed does not come back by itself, so Ollama gets another pod.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from insula.domain import names, times
from insula.domain.errors import cap
from insula.domain.gpu import VENDOR, GpuFailure
from insula.domain.manifests import Manifest, ObjectRef
from insula.domain.situation import Memory
from insula.reconcile import reading, workloads
from insula.reconcile.reasons import Reason
from insula.reconcile.workloads import Workload

UNHEALTHY: Final = "Unhealthy"
# The kubelet tells the scheduler of its devices every 10 s. A pod that is made before comes back to the device that
# failed and is refused there, again and again; and a device that is well by then needs no other pod.
SETTLE_S: Final = 15.0
# While the pod goes and the new one is placed; any other trouble of the new pod is told as what it is.
OF_A_MOVE: Final = frozenset({Reason.STOPPING, Reason.MAKING, Reason.UNSCHEDULABLE, Reason.PREPARING, Reason.STARTING})


def failed(objects: Mapping[ObjectRef, Manifest]) -> GpuFailure | None:
    """Return the pod of Ollama that stands on a GPU that failed, and the devices; None if there is none."""
    for pod in reading.pods(objects, names.OLLAMA):
        devices = [] if reading.is_leaving(pod) else _failed_devices(pod)
        if devices:
            return GpuFailure(pod=reading.uid(pod), devices=cap(", ".join(devices)))
    return None


def remember(memory: Memory, failure: GpuFailure | None, ollama: Workload, *, wants_gpu: bool, now: datetime) -> Memory:
    """Return the memory with a failure and what was done about it; once Ollama is well or needs no GPU, without it."""
    known = memory.gpu_failure
    if failure is not None:
        if failure.pod != known.pod or not known.devices:
            known = replace(failure, since=times.written(now), replaced=known.replaced)
        if move_in_s(known, now) == 0:
            known = replace(known, replaced=known.pod)
    elif known.devices and (ollama.is_ready or not wants_gpu):
        known = replace(known, devices="")
    return replace(memory, gpu_failure=known)


def move_in_s(failure: GpuFailure, now: datetime) -> float | None:
    """Return the seconds until Ollama is to get another pod, 0: now; None: it has it, or needs none."""
    if not failure.devices or failure.replaced == failure.pod:
        return None
    return max(0.0, SETTLE_S - reading.seconds_since(failure.since, now))


def report(memory: Memory, ollama: Workload) -> Workload:
    """Say how Ollama is, where it is not because its GPU failed."""
    devices = memory.gpu_failure.devices
    if not devices or (not ollama.is_ready and ollama.reason not in OF_A_MOVE):
        return ollama
    now = "" if ollama.is_ready else f": {ollama.message}"
    return Workload(
        False, Reason.GPU_FAILED, f"the GPU of Ollama failed ({devices}); it moves as soon as another is free{now}"
    )


def _failed_devices(pod: Manifest) -> list[str]:
    status: Mapping[str, Any] = workloads.state_of(pod, names.OLLAMA)
    return sorted(
        str(device.get("resourceID", ""))
        for resource in status.get("allocatedResourcesStatus") or ()
        if str(resource.get("name", "")).startswith(VENDOR)
        for device in resource.get("resources") or ()
        if device.get("health") == UNHEALTHY
    )
