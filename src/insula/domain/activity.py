"""What the Lease `activity` of a home says: whether its Ollama is awake, and when it was last needed.

Operator and gateways agree through it alone. Each write carries the version that was judged, so that of two at the same
time one looks again:

    gateway   awake → awake     somebody asks (renewed before the first request after a quiet time, and under streams)
    gateway   asleep → wanted   somebody asks
    operator  awake → asleep    nobody has asked for as long as the plan says; only then does the pod go
    operator  wanted → awake    a pod is on its way, and none that goes is left
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from insula.domain import names, times
from insula.domain.manifests import Manifest

# A Lease is written this often at most; a plan that lets homes sleep sooner has it written more often.
LONGEST_QUIET_S: Final = 60.0
API_VERSION: Final = "coordination.k8s.io/v1"
KIND: Final = "Lease"


class SleepState(StrEnum):
    """What the Lease says in `holderIdentity`."""

    NEW = ""
    """Nobody has written it yet; the Ollama is awake."""
    AWAKE = "awake"
    ASLEEP = "asleep"
    WANTED = "wanted"
    """Asleep, and somebody waits."""


@dataclass(frozen=True)
class Activity:
    """One home's Lease.

    Attributes:
        state: What it says.
        renewed: When the home's Ollama was last needed; None: never.
        awake_since: When it was last told to wake; None: it never slept.
        version: The resource version that a write must carry.
        obstacle: What keeps the Ollama from waking, as a sentence for people; empty: nothing is known.
    """

    state: SleepState = SleepState.NEW
    renewed: datetime | None = None
    awake_since: datetime | None = None
    version: str = ""
    obstacle: str = ""

    @classmethod
    def of(cls, lease: Manifest) -> "Activity":
        """Read a Lease. What a person spoilt by hand reads as nobody's word."""
        metadata, spec = lease["metadata"], lease.get("spec") or {}
        said = str(spec.get("holderIdentity") or "")
        return cls(
            state=SleepState(said) if said in set(SleepState) else SleepState.NEW,
            renewed=times.moment(str(spec.get("renewTime") or "")),
            awake_since=times.moment(str(spec.get("acquireTime") or "")),
            version=str(metadata.get("resourceVersion", "")),
            obstacle=str((metadata.get("annotations") or {}).get(names.ANNOTATION_OBSTACLE, "")),
        )

    @property
    def is_awake(self) -> bool:
        """Whether a pod that answers may be used: none is on its way out."""
        return self.state in (SleepState.AWAKE, SleepState.NEW)

    def idle_s(self, now: datetime) -> float:
        """Return for how many seconds nobody has asked; a time ahead is now."""
        return max(0.0, (now - self.renewed).total_seconds()) if self.renewed else float("inf")

    def is_fresh(self, sleep_after_s: float, now: datetime) -> bool:
        """Say whether a gateway may go on without writing: what it knows holds for a long while yet."""
        return self.is_awake and self.idle_s(now) < quiet_s(sleep_after_s)

    def asked(self, now: datetime) -> Manifest:
        """Return the patch by which a gateway says that somebody asks."""
        return self._patch(SleepState.AWAKE if self.is_awake else SleepState.WANTED, renewTime=now)

    def put_to_sleep(self) -> Manifest:
        """Return the patch by which the operator says that the pod will go."""
        return self._patch(SleepState.ASLEEP)

    def woken(self, now: datetime) -> Manifest:
        """Return the patch by which the operator says that a pod is on its way."""
        return self._patch(SleepState.AWAKE, acquireTime=now)

    def begun(self, now: datetime) -> Manifest:
        """Return the patch by which the operator begins to count."""
        return self._patch(SleepState.AWAKE, renewTime=now)

    def _patch(self, state: SleepState, **moments: datetime) -> Manifest:
        spec = {"holderIdentity": state.value} | {name: times.written_precisely(when) for name, when in moments.items()}
        return {"metadata": {"resourceVersion": self.version}, "spec": spec}


def quiet_s(sleep_after_s: float) -> float:
    """Return how old the last write may be when a request goes on: a quarter of what the operator waits for."""
    return min(LONGEST_QUIET_S, sleep_after_s / 4)
