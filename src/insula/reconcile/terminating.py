"""What holds a namespace that Kubernetes is removing: most go in seconds, some wait for a finalizer for ever."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from insula.domain.errors import cap
from insula.domain.manifests import Manifest
from insula.reconcile import reading

# Pods have half a minute or a whole one to stop; what takes longer than this waits for somebody.
STUCK_S: Final = 120.0
TOLD: Final = 3
# What the namespace's own controller says, the plainest first.
_SAYINGS: Final = (
    "NamespaceFinalizersRemaining",
    "NamespaceContentRemaining",
    "NamespaceDeletionContentFailure",
    "NamespaceDeletionDiscoveryFailure",
    "NamespaceDeletionGroupVersionParsingFailure",
)


def rest_s(namespace: Manifest, now: datetime) -> float:
    """Return the seconds until a namespace that is being removed counts as stuck; 0: it does."""
    return max(0.0, STUCK_S - reading.seconds_since(str(namespace["metadata"].get("deletionTimestamp", "")), now))


def what_holds(namespace: Manifest, objects: Iterable[Manifest] = ()) -> str:
    """Name what a namespace waits for, as far as anybody knows; empty: nobody does.

    Args:
        namespace: It is being removed.
        objects: What is in it, as far as it was seen.
    """
    return "; ".join([*_own(namespace), *_objects(objects), *_sayings(namespace)])


def _own(namespace: Manifest) -> Iterator[str]:
    finalizers = namespace["metadata"].get("finalizers") or ()
    if finalizers:
        yield f"the namespace's own finalizers {', '.join(finalizers)}"


def _objects(objects: Iterable[Manifest]) -> Iterator[str]:
    held = [
        f"{each['kind']} {each['metadata']['name']} ({', '.join(each['metadata']['finalizers'])})"
        for each in objects
        if reading.is_leaving(each) and each["metadata"].get("finalizers")
    ]
    yield from sorted(held)[:TOLD]


def _sayings(namespace: Manifest) -> Iterator[str]:
    for kind in _SAYINGS:
        condition = reading.condition(namespace, kind)
        if condition.get("status") == "True" and condition.get("message"):
            yield cap(str(condition["message"]))
