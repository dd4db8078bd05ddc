"""What a Plan's status says about the homes that have it, written when it changed and no more often than looked at."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, Protocol

from insula.contract.plans import pace_of
from insula.domain import times
from insula.domain.manifests import Manifest
from insula.reconcile import reading
from insula.services.rolling import Counts

ROLLED_OUT: Final = "RolledOut"
NAMES_TOLD: Final = 3


class Grip(Protocol):
    """What is read and written."""

    def plans(self) -> Iterable[Manifest]:
        """Return all Plans."""

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """Apply a manifest's status."""


async def write(grip: Grip, counts_of: Callable[[str], Counts | None], *, now: datetime) -> None:
    """Write the status of every Plan whose homes were all looked at, where it differs.

    Raises:
        InsulaError: One could not be written.
    """
    for plan in list(grip.plans()):
        counts = counts_of(plan["metadata"]["name"])
        desired = report(plan, counts, now) if counts is not None else reading.status(plan)
        if desired != reading.status(plan):
            metadata = {key: plan["metadata"][key] for key in ("name", "uid")}
            await grip.apply_status(
                {"apiVersion": plan["apiVersion"], "kind": plan["kind"], "metadata": metadata, "status": desired}
            )


def report(plan: Manifest, counts: Counts, now: datetime) -> Manifest:
    """Return the whole status of a Plan."""
    generation = int(plan["metadata"].get("generation", 0))
    status, reason, message = _rolled_out(plan, counts)
    before = reading.condition(plan, ROLLED_OUT)
    is_old = before.get("status") == status and bool(before.get("lastTransitionTime"))
    return {
        "observedGeneration": generation,
        "tenants": counts.homes,
        "updated": counts.homes - len(counts.waiting),
        "unavailable": len(counts.down),
        "conditions": [
            {
                "type": ROLLED_OUT,
                "status": status,
                "reason": reason,
                "message": message,
                "lastTransitionTime": before["lastTransitionTime"] if is_old else times.written(now),
                "observedGeneration": generation,
            }
        ],
    }


def _rolled_out(plan: Manifest, counts: Counts) -> tuple[str, str, str]:
    if not counts.waiting:
        return "True", "Complete", "no home waits for its turn"
    most = pace_of(plan).of(counts.homes)
    message = f"{len(counts.waiting)} of {counts.homes} homes wait for their turn; at most {most} are down at once"
    if len(counts.down) < most:
        return "False", "Rolling", message
    return "False", "Waiting", f"{message}, and these are: {_named(counts.down)}"


def _named(homes: frozenset[str]) -> str:
    told = sorted(homes)[:NAMES_TOLD]
    more = len(homes) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")
