"""What a home has left of its day: the condition `WithinQuota`. It speaks in steps, so that it changes seldom."""

from insula.domain.quotas import Level, level
from insula.reconcile.reasons import Reason
from insula.reconcile.view import Finding, View, good, lacking


def within_quota(view: View) -> Finding:
    """Say whether the home has computing left for today."""
    plan = view.tenant.ollama.inference
    limit = f"the {plan.gpu_seconds_per_day} GPU-seconds of today (UTC)"
    how = level(view.observed.used_gpu_s, plan.gpu_seconds_per_day)
    if how is Level.UNLIMITED:
        return good(Reason.NO_LIMIT, "the plan sets no limit for a day")
    if how is Level.WITHIN:
        return good(Reason.ENOUGH_LEFT, f"less than 80 % of {limit} are used")
    if how is Level.NEAR:
        return good(Reason.NEARLY_USED_UP, f"more than 80 % of {limit} are used: `insula usage {view.tenant.name}`")
    then = "prompts go on as batch" if plan.overdraft else "prompts are refused"
    return lacking(Reason.USED_UP, f"{limit} are used: {then} until midnight; `insula usage {view.tenant.name}`")
