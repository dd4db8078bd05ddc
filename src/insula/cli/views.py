"""What a person sees of tenants: rows of text, made from what the use cases return."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from insula.cli import durations
from insula.domain import names
from insula.domain.conditions import ConditionType
from insula.reconcile.reasons import Reason
from insula.services.asking import Account, Answer, Door
from insula.services.renewing_keys import Rotation
from insula.services.tenancy import TenantView

LIST_HEADINGS: Final = ("NAME", "OWNER", "PLAN", "ADDRESS", "READY", "STATE", "AGE")
CONDITION_HEADINGS: Final = ("CONDITION", "STATUS", "REASON", "MESSAGE")
_STYLES: Final = {"True": "green", "False": "yellow"}


def list_row(tenant: TenantView, now: datetime) -> tuple[str, ...]:
    """Return a tenant as one row of `insula tenant list`."""
    ready = "yes" if tenant.is_ready else "no"
    return (tenant.name, tenant.owner, tenant.plan, tenant.url, ready, state(tenant), age(tenant.created, now))


def state(tenant: TenantView) -> str:
    """Say in a word or two where a tenant stands: suspended, ready, or the first thing that is missing."""
    if tenant.suspended:
        return "suspended"
    if tenant.is_ready:
        current = tenant.statement(ConditionType.UP_TO_DATE)
        return "ready, rolled back" if current and current.reason == Reason.ROLLED_BACK else "ready"
    obstacle = tenant.obstacle
    return f"{obstacle.type}: {obstacle.reason}" if obstacle else "not seen by the operator yet"


def facts(tenant: TenantView) -> list[tuple[str, str]]:
    """Return what stands above the conditions in `insula tenant show`."""
    return [
        ("Name", tenant.name),
        ("Owner", tenant.owner),
        ("Plan", tenant.plan),
        ("Address", tenant.url or "none yet"),
        ("Models", ", ".join(tenant.models) or "none"),
        ("Suspended", "yes" if tenant.suspended else "no"),
        ("When deleted", "its data stays" if tenant.deletion_policy == "Retain" else "its data is destroyed"),
    ]


def condition_rows(tenant: TenantView) -> tuple[list[tuple[str, ...]], list[str]]:
    """Return the conditions as rows, and a colour for each."""
    rows: list[tuple[str, ...]] = []
    styles: list[str] = []
    for each in tenant.statements:
        status = each.status if each.current else "Unknown"
        rows.append((each.type, status, each.reason, each.message))
        styles.append(_STYLES.get(status, "dim"))
    return rows, styles


def age(created: str, now: datetime) -> str:
    """Return how long ago a moment was, in its two largest units at most: "45s", "12m", "3h", "6d"."""
    if not created:
        return ""
    passed = now - datetime.fromisoformat(created)
    seconds = int(max(passed, timedelta()).total_seconds())
    for size, letter in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{letter}"
    return f"{seconds}s"


def login_facts(name: str, door: Door, account: Account, *, with_password: bool) -> list[tuple[str, str]]:
    """Return what a resident needs for the first login."""
    where = (
        f"in Secret {names.SECRET_RESIDENT_ACCOUNT} of namespace {names.namespace(name)} (--show-password prints it)"
    )
    password = account.password if with_password else where
    return [("Address", door.url), ("User name", account.username), ("Initial password", password)]


def login_json(name: str, door: Door, account: Account, *, with_password: bool) -> dict[str, Any]:
    """Return the same as JSON values; the password stands there only when it was asked for."""
    secret = {"namespace": names.namespace(name), "name": names.SECRET_RESIDENT_ACCOUNT, "key": "password"}
    facts = {"url": door.url, "username": account.username, "passwordSecret": secret}
    return {**facts, "password": account.password} if with_password else facts


def rotation_words(rotation: Rotation, *, in_use: bool) -> str:
    """Say what became of a key's rotation."""
    grace_s = rotation.request.grace_s
    old = f"the old one opens for {durations.words(grace_s)} more" if grace_s else "the old one is dead"
    if in_use:
        return f"{rotation.tenant} has key {rotation.generation}; {old}"
    return f"{rotation.tenant} gets key {rotation.generation}; once it is made, {old}"


def rotation_json(rotation: Rotation, *, in_use: bool) -> dict[str, Any]:
    """Return the same as JSON values; `inUse` says whether Home Assistant is known to have the key."""
    return {
        "tenant": rotation.tenant,
        "generation": rotation.generation,
        "graceSeconds": rotation.request.grace_s,
        "request": rotation.request.to_text(),
        "inUse": in_use,
    }


def deletion_warning(name: str, *, destroys: bool) -> str:
    """Say what a deletion will do, before a person confirms it."""
    if destroys:
        return (
            f"{name}'s pods, address and ALL DATA (Home Assistant and models) will be destroyed. There is no way back."
        )
    space = names.namespace(name)
    return f"{name}'s pods and address will go. The data stays in namespace {space} until it is adopted or purged."


def answer_json(answer: Answer) -> dict[str, Any]:
    """Return an answer as JSON values; `gateway` is null where its log said nothing or was not read."""
    return {
        "tenant": answer.tenant,
        "answer": answer.text,
        "agent": answer.agent,
        "seconds": {stage: round(seconds, 3) for stage, seconds in answer.seconds.items()},
        "gateway": answer.trace.to_json() if answer.trace else None,
    }


def answer_facts(answer: Answer) -> list[tuple[str, str]]:
    """Return what `insula tenant ask -v` adds to the answer."""
    rows = [("agent", answer.agent)]
    trace = answer.trace
    if trace is None:
        rows.append(("gateway", "its log showed no request of this question, or may not be read"))
    else:
        counted = "unknown" if trace.eval_count is None else f"{trace.eval_count} tokens"
        rows += [
            ("gateway request", trace.request_id),
            ("model", trace.model),
            ("model digest", trace.model_digest or "unknown"),
            ("eval_count", counted),
        ]
    rows += [(f"{stage} seconds", f"{seconds:.2f}") for stage, seconds in _stages(answer)]
    return rows


def _stages(answer: Answer) -> Sequence[tuple[str, float]]:
    stages = list(answer.seconds.items())
    if answer.trace is not None:
        inner = {
            "gateway": answer.trace.gateway_seconds,
            "load": answer.trace.load_seconds,
            "prompt": answer.trace.prompt_eval_seconds,
            "eval": answer.trace.eval_seconds,
        }
        stages += [(stage, seconds) for stage, seconds in inner.items() if seconds is not None]
    return stages
