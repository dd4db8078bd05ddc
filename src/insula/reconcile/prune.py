"""What stands and is no longer rendered: removed so that nobody is left in front of a closed door."""

from collections.abc import Collection, Mapping
from typing import Final

from insula.domain import names
from insula.domain.manifests import Manifest, ObjectRef
from insula.reconcile import reading

# The way in goes first, the walls last. Volumes are missing on purpose: data go with the namespace alone.
PRUNED_KINDS: Final = (
    "Ingress",
    "Certificate",
    "Job",
    "Deployment",
    "Service",
    "ConfigMap",
    "Lease",
    "RoleBinding",
    "ServiceAccount",
    "NetworkPolicy",
    "LimitRange",
    "ResourceQuota",
)
# What a home that lost its Tenant gives up: all that runs and all that leads to it. Walls and data stay.
HOUSE_KINDS: Final = PRUNED_KINDS[:6]


def surplus(objects: Mapping[ObjectRef, Manifest], rendered: Collection[ObjectRef]) -> tuple[ObjectRef, ...]:
    """Return the objects of ours that are not rendered, in order of removal."""
    return _in_order(objects, PRUNED_KINDS, rendered)


def house(objects: Mapping[ObjectRef, Manifest]) -> tuple[ObjectRef, ...]:
    """Return all that runs and all that leads to it, in order of removal."""
    return _in_order(objects, HOUSE_KINDS, ())


def _in_order(
    objects: Mapping[ObjectRef, Manifest], kinds: tuple[str, ...], kept: Collection[ObjectRef]
) -> tuple[ObjectRef, ...]:
    found = [
        ref for ref, manifest in objects.items() if ref.kind in kinds and ref not in kept and _is_prunable(manifest)
    ]
    return tuple(sorted(found, key=lambda ref: (kinds.index(ref.kind), ref.name)))


def _is_prunable(manifest: Manifest) -> bool:
    """Say whether an object is ours to remove: made by Insula, not by a controller, and not leaving already."""
    owners = manifest["metadata"].get("ownerReferences") or ()
    return (
        reading.labels(manifest).get(names.LABEL_MANAGED_BY) == names.MANAGED_BY
        and not any(owner.get("controller") for owner in owners)
        and not reading.is_leaving(manifest)
    )
