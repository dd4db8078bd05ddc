"""Whose the namespace is: the first question, for everything else depends on it."""

from enum import StrEnum

from insula.domain import names
from insula.domain.situation import Memory
from insula.domain.tenants import DeletionPolicy
from insula.reconcile import reading
from insula.reconcile.model import Observed


class Standing(StrEnum):
    """How a Tenant and a Namespace of one name stand to each other."""

    NOBODY = "nobody"
    """Neither the Tenant nor a namespace of ours exists."""
    GONE = "gone"
    """The Tenant is gone, its namespace is there."""
    NEW = "new"
    """The Tenant is there, a namespace is not."""
    OURS = "ours"
    """The namespace belongs to this very Tenant."""
    ADOPTING = "adopting"
    """The namespace belonged to another Tenant of this name, and this one names its identity."""
    IN_THE_WAY = "in-the-way"
    """The namespace holds the retained data of another Tenant of this name."""
    LEAVING = "leaving"
    """As before, but what it holds was to be deleted."""
    FOREIGN = "foreign"
    """A namespace of this name exists that Insula did not make."""
    TERMINATING = "terminating"
    """Kubernetes is removing the namespace."""


def judge(name: str, observed: Observed) -> Standing:
    """Say how Tenant and Namespace stand to each other."""
    if observed.tenant is None:
        return Standing.GONE if _is_usable(name, observed) else Standing.NOBODY
    if observed.namespace is None:
        return Standing.NEW
    if not is_ours(name, observed):
        return Standing.FOREIGN
    if reading.is_leaving(observed.namespace):
        return Standing.TERMINATING
    return _ownership(observed)


def _ownership(observed: Observed) -> Standing:
    """Say whether a namespace of Insula's belongs to the Tenant that is there."""
    memory = remembered(observed)
    same = memory.tenant_uid == reading.uid(observed.tenant)
    # A memory without a Tenant's UID was spoilt by hand: unless it says "retained", the running home is believed.
    if same or not (memory.tenant_uid or memory.retained_since):
        return Standing.OURS
    if observed.desired is not None and observed.desired.adopt == identity(observed):
        return Standing.ADOPTING
    return Standing.LEAVING if memory.deletion_policy is DeletionPolicy.DELETE else Standing.IN_THE_WAY


def _is_usable(name: str, observed: Observed) -> bool:
    return is_ours(name, observed) and observed.namespace is not None and not reading.is_leaving(observed.namespace)


def is_ours(name: str, observed: Observed) -> bool:
    """Say whether Insula made the namespace."""
    return (
        observed.namespace is not None
        and reading.labels(observed.namespace).get(names.LABEL_TENANT) == name
        and bool(identity(observed))
    )


def identity(observed: Observed) -> str:
    """Return the identity that the namespace bears; for a home that is still to be made, its Tenant's UID.

    Taken from the Tenant, two looks at a cache that does not show the new Namespace yet agree.
    """
    if observed.namespace is not None:
        return reading.tenant_id(observed.namespace)
    return reading.uid(observed.tenant)


def remembered(observed: Observed) -> Memory:
    """Return what the namespace remembers."""
    return Memory.from_annotations(reading.annotations(observed.namespace)) if observed.namespace else Memory()
