"""The Tenant's status, put together from what the conditions found, and the events of what changed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from insula.domain import times
from insula.domain.conditions import Condition, ConditionType
from insula.domain.manifests import Manifest
from insula.reconcile import reading
from insula.reconcile.job_reports import JobState
from insula.reconcile.model import EventWish
from insula.reconcile.remembering import held_models, missing_models
from insula.reconcile.standing import Standing, identity
from insula.reconcile.view import Finding, View

# What a person waits for. The conditions tell the steps between, and Kubernetes has Events of its own for pods.
MILESTONES: Final = frozenset(
    {
        ConditionType.ACCEPTED,
        ConditionType.CLAIMED,
        ConditionType.ROUTE_READY,
        ConditionType.MODELS_READY,
        ConditionType.READY,
        ConditionType.ISOLATED,
    }
)


def assemble(view: View, found: Mapping[ConditionType, Finding], now: datetime) -> Manifest:
    """Return the whole status; what is empty is left out."""
    tenant = view.observed.tenant or {"metadata": {}}
    generation = int(tenant["metadata"].get("generation", 0))
    since = {kind: _since(reading.condition(tenant, kind), finding, now) for kind, finding in found.items()}
    conditions = [
        _condition(Condition(kind, each.status, each.reason, each.message, since[kind], generation))
        for kind, each in found.items()
    ]
    details = _details(view) if view.verdict.tenant is not None else {}
    return {
        "observedGeneration": generation,
        "conditions": conditions,
        **{key: value for key, value in details.items() if value},
    }


def transitions(view: View, found: Mapping[ConditionType, Finding]) -> tuple[EventWish, ...]:
    """Return an event for each milestone that was reached, and for each new trouble."""
    tenant = view.observed.tenant or {"metadata": {}}
    events = []
    for kind, finding in found.items():
        before = reading.condition(tenant, kind)
        if finding.holds and before.get("status") != "True" and kind in MILESTONES:
            events.append(EventWish("Normal", str(finding.reason), f"{kind}: {finding.message}"))
        elif _is_worth_a_warning(kind, finding) and before.get("reason") != finding.reason:
            events.append(EventWish("Warning", str(finding.reason), f"{kind}: {finding.message}"))
    return tuple(events)


def _is_worth_a_warning(kind: ConditionType, finding: Finding) -> bool:
    # Ready repeats the first of the others.
    return kind is not ConditionType.READY and (
        finding.is_trouble or (kind is ConditionType.ACCEPTED and not finding.holds)
    )


def _since(before: Mapping[str, Any], finding: Finding, now: datetime) -> datetime:
    """Return since when the status is as it is: a new reason alone is no transition."""
    then = times.moment(str(before.get("lastTransitionTime", "")))
    return then if then is not None and before.get("status") == finding.status.value else now


def _condition(condition: Condition) -> Manifest:
    return {
        "type": condition.type.value,
        "status": condition.status.value,
        "reason": str(condition.reason),
        "message": condition.message,
        "lastTransitionTime": times.written(condition.since),
        "observedGeneration": condition.observed_generation,
    }


def _details(view: View) -> Manifest:
    tenant, facts, memory = view.tenant, view.facts, view.memory
    progress = view.observed.pull_progress
    is_pulling = facts.pull.state is JobState.UNDER_WAY and bool(missing_models(memory, tenant, facts))
    held = held_models(memory, tenant, facts)
    return {
        "tenantId": identity(view.observed) if view.standing is not Standing.LEAVING else "",
        "url": f"https://{tenant.host}" if view.verdict.has_host else "",
        "models": [{"name": name, "digest": held[name]} for name in sorted(held)],
        "agent": memory.agent,
        "progress": {
            "model": progress.model,
            "completed": progress.completed,
            "total": progress.total,
            "percent": progress.percent,
        }
        if progress is not None and is_pulling
        else {},
    }
