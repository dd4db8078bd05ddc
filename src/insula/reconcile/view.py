"""All that a condition may look at, and what it finds."""

from dataclasses import dataclass, field
from datetime import datetime

from insula.domain.conditions import ConditionStatus
from insula.domain.platform import Platform
from insula.domain.situation import Memory
from insula.domain.tenants import Tenant
from insula.reconcile.facts import Facts
from insula.reconcile.model import Observed
from insula.reconcile.reasons import TROUBLE, Reason
from insula.reconcile.sleeping import Sleep
from insula.reconcile.standing import Standing
from insula.reconcile.verdict import Verdict


@dataclass(frozen=True)
class View:
    """One tenant at one moment. `memory` is what the Namespace will say after this decision."""

    observed: Observed
    platform: Platform
    standing: Standing
    verdict: Verdict
    memory: Memory
    facts: Facts
    now: datetime
    sleep: Sleep = field(default_factory=Sleep)

    @property
    def tenant(self) -> Tenant:
        """The spec in force.

        Raises:
            LookupError: There is none; only `Accepted` may be judged then.
        """
        if self.verdict.tenant is None:
            raise LookupError("no spec is in force")
        return self.verdict.tenant


@dataclass(frozen=True)
class Finding:
    """What one condition says. `reason` is a `Reason`, or for Accepted the word of whoever refused the spec."""

    status: ConditionStatus
    reason: str
    message: str

    @property
    def holds(self) -> bool:
        """Whether the condition is true."""
        return self.status is ConditionStatus.TRUE

    @property
    def is_trouble(self) -> bool:
        """Whether a person has to do something."""
        return self.reason in TROUBLE


def good(reason: str, message: str) -> Finding:
    """Return a finding that the condition holds."""
    return Finding(ConditionStatus.TRUE, reason, message)


def lacking(reason: Reason, message: str) -> Finding:
    """Return a finding that the condition does not hold."""
    return Finding(ConditionStatus.FALSE, reason, message)


def unknown(reason: Reason, message: str) -> Finding:
    """Return a finding that nothing can be said."""
    return Finding(ConditionStatus.UNKNOWN, reason, message)
