"""The walk from nothing to a home that answers: one function a condition, in the order in which they become true."""

from collections.abc import Callable, Mapping
from typing import Final

from insula.domain import names
from insula.domain.conditions import ConditionStatus, ConditionType
from insula.domain.errors import cap
from insula.domain.manifests import Manifest
from insula.domain.models import ModelForm
from insula.reconcile import currency, reading, terminating
from insula.reconcile.allowances import within_quota
from insula.reconcile.isolation import isolated
from insula.reconcile.job_reports import RETRY_FAILED_S, JobState
from insula.reconcile.reasons import Reason
from insula.reconcile.remembering import conversation, is_claimed, missing_models
from insula.reconcile.standing import Standing
from insula.reconcile.view import Finding, View, good, lacking, unknown
from insula.reconcile.workloads import Workload

NEXT_TRY: Final = f". It is tried again within {RETRY_FAILED_S / 60:.0f} minutes"


NO_IMAGE: Final = (
    "there is no image of it. Make one with `insula model publish` and name it in the values' sharedModels.images"
)


def walk(view: View) -> dict[ConditionType, Finding]:
    """Return what each condition says, in their order."""
    if view.verdict.tenant is None:
        return _nothing_in_force(view)
    found = {kind: judge(view) for kind, judge in _WALK.items()}
    # What stands last is no part of Ready: a home without walls answers, too.
    return found | {
        ConditionType.READY: ready(view, found),
        ConditionType.ISOLATED: isolated(view),
        ConditionType.WITHIN_QUOTA: within_quota(view),
    }


def accepted(view: View) -> Finding:
    """Say whether the present spec is in force."""
    status = ConditionStatus.TRUE if view.verdict.accepted else ConditionStatus.FALSE
    return Finding(status, view.verdict.reason, view.verdict.message)


def namespace_ready(view: View) -> Finding:
    """Say whether the namespace stands with its walls."""
    name = names.namespace(view.tenant.name)
    if view.standing is Standing.TERMINATING:
        return _terminating(view, name)
    if view.standing is Standing.LEAVING:
        message = f"the home that bore this name before is being removed with its namespace {name}, as was agreed"
        return lacking(Reason.TERMINATING, message)
    walls = [ref for ref in view.observed.objects if ref.kind == "NetworkPolicy"]
    if view.observed.namespace is None or not walls:
        return lacking(Reason.MAKING, f"the namespace {name} is being made")
    return good(Reason.MADE, f"the namespace {name} stands with its quotas and walls")


def home_assistant_ready(view: View) -> Finding:
    """Say whether Home Assistant answers."""
    report = view.facts.home_assistant
    if report.reason is Reason.CRASHING and view.facts.claim_error and not view.facts.claim_ended:
        return _suspended(view) or lacking(Reason.CLAIM_FAILED, _claim_failed(view))
    return _suspended(view) or _of_workload(report)


def claimed(view: View) -> Finding:
    """Say whether the home has its owner. True for good, until its volume is another."""
    if is_claimed(view.memory, view.facts):
        return good(Reason.CLAIMED, "the resident's and the platform's accounts are made")
    if view.tenant.suspended:
        return lacking(Reason.SUSPENDED, "the home is suspended and was never started: resume it")
    if view.facts.claim_error:
        return lacking(Reason.CLAIM_FAILED, _claim_failed(view))
    report = view.facts.home_assistant
    if report.reason in (Reason.PREPARING, Reason.STARTING):
        return lacking(Reason.CLAIMING, "the accounts are being made before Home Assistant first listens")
    return lacking(Reason.WAITING_FOR_HOME_ASSISTANT, f"the accounts are made when the pod runs: {report.message}")


def route_ready(view: View) -> Finding:
    """Say whether the home is reached from outside."""
    tenant, objects = view.tenant, view.observed.objects
    if not view.verdict.has_host:
        return lacking(Reason.HOST_TAKEN, f"the host {tenant.host} belongs to an older tenant: choose another one")
    if not is_claimed(view.memory, view.facts):
        return lacking(Reason.WAITING_FOR_CLAIM, "the route is opened when the home has its owner")
    if view.platform.issuer_name:
        certificate = reading.find(objects, "Certificate", names.HOME_ASSISTANT)
        if certificate is None:
            return lacking(Reason.CERTIFICATE_PENDING, f"the certificate of {tenant.host} is being asked for")
        if not reading.holds(certificate, "Ready"):
            return _certificate_lacking(view, certificate)
    if reading.find(objects, "Ingress", names.HOME_ASSISTANT) is None:
        return lacking(Reason.MAKING, "the Ingress is being made")
    return good(Reason.SERVING, f"https://{tenant.host} leads to the home")


def ollama_ready(view: View) -> Finding:
    """Say whether Ollama answers."""
    return _suspended(view) or _of_workload(view.facts.ollama)


def models_ready(view: View) -> Finding:
    """Say whether Ollama has all models."""
    tenant = view.tenant
    if not tenant.ollama.models:
        return good(Reason.NO_MODEL, "no model is asked for; name one in spec.ollama.models")
    missing = missing_models(view.memory, tenant, view.facts)
    is_shared = tenant.ollama.model_form is ModelForm.IMAGE
    if not missing and is_shared:
        return good(Reason.PRESENT, f"Ollama has {_listed(tenant.ollama.models)}, shared with the node's other homes")
    if not missing:
        return good(Reason.PRESENT, f"the volume holds {_listed(tenant.ollama.models)}")
    if is_shared and (unknown_models := tuple(each for each in missing if each not in _shared(view))):
        return lacking(Reason.NO_IMAGE, f"{_listed(unknown_models)}: {NO_IMAGE}")
    if tenant.suspended:
        return lacking(Reason.SUSPENDED, f"{_listed(missing)} will be fetched when the home is resumed")
    return _mount_lacking(view, missing) if is_shared else _pull_lacking(view, missing)


def conversation_ready(view: View) -> Finding:
    """Say whether Home Assistant talks to the first model."""
    tenant, memory, report = view.tenant, view.memory, view.facts.converse
    if not tenant.ollama.models:
        return lacking(Reason.NO_MODEL, "there is nobody to talk to: name a model in spec.ollama.models")
    waiting = _suspended(view) or _waiting_for_others(view)
    if waiting is not None:
        return waiting
    if memory.conversing and memory.conversing == conversation(memory, tenant, view.facts):
        agent = f"{memory.agent} answers" if memory.agent else "the agent answers"
        return good(Reason.ANSWERING, f"{agent} with {tenant.ollama.models[0]}")
    if report.state is JobState.FAILED:
        return lacking(Reason.SETUP_FAILED, f"setting up the conversation failed: {report.error}{NEXT_TRY}")
    if report.trouble is not None:
        return lacking(*report.trouble)
    again = f"; the last attempt failed: {report.error}" if report.error else ""
    return lacking(Reason.SETTING_UP, f"Home Assistant is being introduced to {tenant.ollama.models[0]}{again}")


def ready(view: View, found: Mapping[ConditionType, Finding]) -> Finding:
    """Say whether all is as asked, or what is the first thing that is not."""
    for kind, finding in found.items():
        # Who asks for no model gets a home that is ready without a conversation.
        # A home that runs what ran before answers as well.
        if kind is ConditionType.UP_TO_DATE:
            continue
        if finding.holds or (finding.reason == Reason.NO_MODEL and kind is ConditionType.CONVERSATION_READY):
            continue
        if finding.reason == Reason.SUSPENDED:
            return lacking(Reason.SUSPENDED, finding.message)
        return Finding(finding.status, finding.reason, f"{kind}: {finding.message}")
    return good(Reason.READY, f"the home answers at https://{view.tenant.host}")


_WALK: Final[Mapping[ConditionType, Callable[[View], Finding]]] = {
    ConditionType.ACCEPTED: accepted,
    ConditionType.NAMESPACE_READY: namespace_ready,
    ConditionType.HOME_ASSISTANT_READY: home_assistant_ready,
    ConditionType.CLAIMED: claimed,
    ConditionType.ROUTE_READY: route_ready,
    ConditionType.OLLAMA_READY: ollama_ready,
    ConditionType.MODELS_READY: models_ready,
    ConditionType.CONVERSATION_READY: conversation_ready,
    ConditionType.UP_TO_DATE: currency.up_to_date,
}


def _nothing_in_force(view: View) -> dict[ConditionType, Finding]:
    first = accepted(view)
    rest = unknown(Reason.NOT_ACCEPTED, "nothing is built while the spec is not accepted")
    found = dict.fromkeys(ConditionType, rest)
    return found | {
        ConditionType.ACCEPTED: first,
        ConditionType.READY: Finding(ConditionStatus.FALSE, first.reason, f"{ConditionType.ACCEPTED}: {first.message}"),
    }


def _terminating(view: View, name: str) -> Finding:
    namespace = view.observed.namespace or {"metadata": {}}
    held = terminating.what_holds(namespace, view.observed.objects.values())
    waits = f", and waits for: {held}" if held else ""
    message = f"the namespace {name} is being removed and will be made anew afterwards{waits}"
    if terminating.rest_s(namespace, view.now) > 0:
        return lacking(Reason.TERMINATING, message)
    remedy = "Whoever set a finalizer has to let go; `kubectl get namespace -o yaml` shows what Kubernetes says"
    return lacking(Reason.STUCK, f"{message}. {remedy}")


def _suspended(view: View) -> Finding | None:
    if not view.tenant.suspended:
        return None
    return lacking(
        Reason.SUSPENDED, f"the home is suspended: `insula tenant resume {view.tenant.name}` wakes it, its data stay"
    )


def _of_workload(report: Workload) -> Finding:
    return good(report.reason, report.message) if report.is_ready else lacking(report.reason, report.message)


def _claim_failed(view: View) -> str:
    pod = f"kubectl -n {names.namespace(view.tenant.name)} logs deploy/{names.HOME_ASSISTANT} -c claim"
    return f"the accounts could not be made: {cap(view.facts.claim_error)}. `{pod}` tells more"


def _certificate_lacking(view: View, certificate: Manifest) -> Finding:
    issuing, state = reading.condition(certificate, "Issuing"), reading.condition(certificate, "Ready")
    message = cap(str(issuing.get("message") or state.get("message") or "the issuer has not answered yet"))
    if issuing.get("status") == "False" and issuing.get("reason") == "Failed":
        where = f"kubectl -n {names.namespace(view.tenant.name)} describe certificate"
        return lacking(Reason.CERTIFICATE_FAILED, f"{view.tenant.host}: {message}. `{where}` tells more")
    return lacking(Reason.CERTIFICATE_PENDING, f"{view.tenant.host}: {message}")


def _shared(view: View) -> frozenset[str]:
    return frozenset(each.model for each in view.tenant.ollama.shared)


def _mount_lacking(view: View, missing: tuple[str, ...]) -> Finding:
    """Say what keeps models from being mounted: Ollama starts with them, and the node may have to fetch one first."""
    report = view.facts.ollama
    if report.is_ready:
        return lacking(Reason.MAKING, f"Ollama starts again to take {_listed(missing)}")
    return lacking(report.reason, f"{_listed(missing)} comes with Ollama's start: {report.message}")


def _pull_lacking(view: View, missing: tuple[str, ...]) -> Finding:
    report = view.facts.pull
    if report.state is JobState.FAILED:
        return lacking(Reason.PULL_FAILED, f"pulling {_listed(missing)} failed: {report.error}{NEXT_TRY}")
    if report.trouble is not None:
        return lacking(*report.trouble)
    if not view.facts.models_bound:
        return lacking(Reason.WAITING_FOR_VOLUME, "the volume for models waits for Ollama's pod to be placed")
    progress = view.observed.pull_progress
    again = f"; the last attempt failed: {report.error}" if report.error else ""
    if progress is None:
        return lacking(Reason.PULLING, f"pulling {_listed(missing)}{again}")
    return lacking(Reason.PULLING, f"pulling {progress.model}, {progress.percent} %{again}")


def _waiting_for_others(view: View) -> Finding | None:
    if missing_models(view.memory, view.tenant, view.facts):
        return lacking(Reason.WAITING_FOR_MODELS, "the conversation is set up when the models are there")
    if not view.facts.home_assistant.is_ready:
        return lacking(Reason.WAITING_FOR_HOME_ASSISTANT, view.facts.home_assistant.message)
    if not view.facts.ollama.is_ready:
        return lacking(Reason.WAITING_FOR_OLLAMA, view.facts.ollama.message)
    return None


def _listed(models: tuple[str, ...]) -> str:
    return cap(", ".join(models))
