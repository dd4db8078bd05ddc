"""When a home's Ollama sleeps, and when it wakes again: read from its Lease, decided here, carried out as replicas."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from insula.domain import names
from insula.domain.activity import Activity, SleepState
from insula.domain.manifests import Manifest, ObjectRef
from insula.reconcile import reading, workloads
from insula.reconcile.reasons import TROUBLE, Reason
from insula.reconcile.workloads import Workload

# A pod that wakes is no fault of its home for so long, unless something is known to be wrong with it.
WAKING_S: Final = 300.0


@dataclass(frozen=True)
class Sleep:
    """How a home's Ollama sleeps.

    Attributes:
        asleep: Whether it has no pod.
        is_waking: Whether its pod is on its way.
        patch: What to write on the Lease; None: nothing.
        obstacle: What keeps it from waking, for whoever waits at the gateway.
        look_in_s: Seconds until something changes by itself; None: nothing does.
    """

    asleep: bool = False
    is_waking: bool = False
    patch: Manifest | None = None
    obstacle: str = ""
    look_in_s: float | None = None


def judge(
    objects: Mapping[ObjectRef, Manifest],
    ollama: Workload,
    *,
    after_s: int | None,
    may_begin: bool,
    suspended: bool,
    now: datetime,
) -> Sleep:
    """Say whether the Ollama has a pod, and what the Lease should say next.

    Args:
        objects: The live objects.
        ollama: How its pod is.
        after_s: After how long without a request it sleeps; None: never.
        may_begin: Whether it may be put to sleep now, if nobody asks.
        suspended: Whether the home has no pods at all.
        now: The time.
    """
    lease = reading.find(objects, "Lease", names.ACTIVITY)
    if after_s is None:
        return Sleep()
    obstacle = _obstacle(ollama, suspended=suspended)
    if lease is None:
        return Sleep(obstacle=obstacle)
    activity = Activity.of(lease)
    if activity.is_awake:
        return _awake(activity, ollama, obstacle, after_s=after_s, may_begin=may_begin, now=now)
    # One that was told to go goes wholly before another comes: a pod that answers is then never one that goes.
    if activity.state is SleepState.ASLEEP or _is_going(objects):
        return Sleep(asleep=True, obstacle=obstacle)
    has_pod = _replicas(objects) == 1
    return Sleep(is_waking=True, patch=activity.woken(now) if has_pod else None, obstacle=obstacle)


def report(sleep: Sleep, ollama: Workload) -> Workload:
    """Say how Ollama is: one that sleeps, or wakes, is as it should be."""
    if sleep.asleep:
        return Workload(True, Reason.ASLEEP, "Ollama sleeps; the next prompt wakes it", is_current=True)
    if sleep.is_waking and not ollama.is_ready and ollama.reason not in TROUBLE:
        return Workload(True, Reason.WAKING, "Ollama wakes for a prompt", is_current=True)
    return ollama


def _awake(
    activity: Activity, ollama: Workload, obstacle: str, *, after_s: int, may_begin: bool, now: datetime
) -> Sleep:
    waking_s = WAKING_S - (now - activity.awake_since).total_seconds() if activity.awake_since else 0.0
    is_waking = waking_s > 0 and not ollama.is_ready
    if not may_begin:
        return Sleep(is_waking=is_waking, obstacle=obstacle, look_in_s=waking_s if is_waking else None)
    if activity.state is SleepState.NEW or activity.renewed is None:
        return Sleep(patch=activity.begun(now))
    rest_s = after_s - activity.idle_s(now)
    return Sleep(patch=activity.put_to_sleep()) if rest_s <= 0 else Sleep(look_in_s=rest_s)


def _obstacle(ollama: Workload, *, suspended: bool) -> str:
    if suspended:
        return f"{Reason.SUSPENDED}: the home is suspended"
    return f"{ollama.reason}: {ollama.message}" if ollama.reason in TROUBLE else ""


def _is_going(objects: Mapping[ObjectRef, Manifest]) -> bool:
    """Say whether a pod may be left of those that were told to go."""
    deployment = reading.find(objects, "Deployment", names.OLLAMA)
    if deployment is None or _replicas(objects) != 0:
        return False
    status = reading.status(deployment)
    is_seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    # A pod on a silent node may stay for ever; its volume decides whether another one may start.
    left = [
        pod for pod in reading.pods(objects, names.OLLAMA) if not (workloads.is_over(pod) or workloads.is_lost(pod))
    ]
    return not is_seen or bool(status.get("replicas")) or bool(left)


def _replicas(objects: Mapping[ObjectRef, Manifest]) -> int:
    deployment = reading.find(objects, "Deployment", names.OLLAMA)
    return int(deployment["spec"].get("replicas", 1)) if deployment else 0
