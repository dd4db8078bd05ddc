"""Whether the spec is accepted, and which spec is in force: a rejected one leaves the last accepted running."""

from dataclasses import dataclass

from insula.domain import names
from insula.domain.tenants import Tenant
from insula.reconcile.model import Observed
from insula.reconcile.standing import Standing, identity

ACCEPTED = "Accepted"


@dataclass(frozen=True)
class Verdict:
    """`tenant` is the spec in force, None: nothing is built. `has_host` says whether its host is its own."""

    accepted: bool
    reason: str
    message: str
    tenant: Tenant | None = None
    has_host: bool = True


def judge(name: str, observed: Observed, standing: Standing) -> Verdict:
    """Say whether the Tenant is accepted and what is in force.

    Args:
        name: The tenant's name.
        observed: What the operator saw; there is a Tenant.
        standing: Whose the namespace is.
    """
    refusal = _refusal(name, observed, standing)
    if refusal is None:
        return Verdict(True, ACCEPTED, "the spec is in force", observed.desired)
    reason, message = refusal
    in_force = observed.latched if standing is Standing.OURS else None
    if in_force is not None:
        message += ". Until then the last accepted spec stays in force"
    has_host = in_force is None or _holder(in_force, observed) in (name, "")
    return Verdict(False, reason, message, in_force, has_host)


def _refusal(name: str, observed: Observed, standing: Standing) -> tuple[str, str] | None:
    """Return reason and message of the first thing that stands against the spec, None if nothing does."""
    if standing is Standing.FOREIGN:
        return "NamespaceTaken", (
            f"a namespace {names.namespace(name)} exists that Insula did not make: "
            "choose another name for the tenant, or remove that namespace"
        )
    if observed.rejection is not None or observed.desired is None:
        return _rejected(observed)
    adoption = _adoption_refused(name, observed, observed.desired, standing)
    if adoption is not None:
        return adoption
    holder = _holder(observed.desired, observed)
    if holder not in (name, ""):
        return "HostTaken", (
            f"the host {observed.desired.host} belongs to the tenant {holder}, who claimed it first: "
            "choose another one in spec.access.host"
        )
    return None


def _rejected(observed: Observed) -> tuple[str, str]:
    error = observed.rejection
    if error is None:
        return "NotResolved", "the spec was not read yet"
    return error.reason, f"{error.message}: {error.remedy}" if error.remedy else error.message


def _adoption_refused(name: str, observed: Observed, desired: Tenant, standing: Standing) -> tuple[str, str] | None:
    if standing is Standing.IN_THE_WAY:
        kept = identity(observed)
        return "RetainedDataInTheWay", (
            f"the namespace {names.namespace(name)} keeps the data of an earlier tenant {name}: to take them over, "
            f"set spec.adopt to {kept}; to destroy them, delete this Tenant, then run "
            f"`insula tenant delete {name} --purge`"
        )
    if standing is Standing.NEW and desired.adopt:
        return "NothingToAdopt", (
            f"spec.adopt names {desired.adopt}, but there is no namespace {names.namespace(name)} with retained data: "
            "to begin anew, delete this Tenant and create it without spec.adopt"
        )
    if standing is Standing.OURS and desired.adopt not in ("", identity(observed)):
        return "AdoptMismatch", (
            f"spec.adopt names {desired.adopt}, but this home is {identity(observed)}: delete the Tenant "
            f"(its data stay) and create it again with that identity"
        )
    return None


def _holder(tenant: Tenant, observed: Observed) -> str:
    return observed.host_claims.get(tenant.host, "")
