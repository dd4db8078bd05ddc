"""From a Tenant and its Plan as written to the complete, checked tenant that the rest of Insula works with."""

import re
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final, TypeVar

from pydantic import ValidationError

from insula.contract.base import Model
from insula.contract.fields import LABEL_PATTERN
from insula.contract.plans import PlanSpec
from insula.contract.quantities import parse_cpu, parse_memory
from insula.contract.tenants import TENANT_NAME_MAX, Amounts, OllamaSpec, TenantSpec
from insula.domain import names, ranges, tenants, times
from insula.domain.errors import InvalidSpecError, cap
from insula.domain.gpu import GpuClass
from insula.domain.manifests import Manifest
from insula.domain.models import ModelForm, ModelImage
from insula.domain.platform import Platform
from insula.domain.quantities import Resources

MAX_FAULTS_TOLD: Final = 3
_M = TypeVar("_M", bound=Model)


class Reason(StrEnum):
    """Why a Tenant is not accepted: the stable words that its condition carries."""

    INVALID_SPEC = "InvalidSpec"
    INVALID_PLAN = "InvalidPlan"
    NAME_RESERVED = "NameReserved"
    PLAN_MISSING = "PlanMissing"
    CEILING_EXCEEDED = "CeilingExceeded"
    MODEL_NOT_ALLOWED = "ModelNotAllowed"
    HOST_NOT_ALLOWED = "HostNotAllowed"


def resolve_plan(manifest: Manifest) -> tenants.Plan:
    """Return the plan that a Plan object describes.

    Raises:
        InvalidSpecError: The plan breaks a rule; reason InvalidPlan.
    """
    name = manifest["metadata"]["name"]
    try:
        return parse_spec(PlanSpec, manifest).to_domain(name)
    except InvalidSpecError as error:
        raise InvalidSpecError(
            f"Plan {name}: {error.message}", remedy=error.remedy, reason=Reason.INVALID_PLAN
        ) from error


def resolve_tenant(manifest: Manifest, plan: tenants.Plan | None, platform: Platform) -> tenants.Tenant:
    """Return the tenant that a Tenant object describes, with the plan's defaults filled in and its ceilings checked.

    Args:
        manifest: The Tenant object.
        plan: The plan that it names; None when there is no such plan.
        platform: The provider's settings: they make the host.

    Raises:
        InvalidSpecError: The tenant breaks a rule; `reason` is one of `Reason`.
    """
    name = manifest["metadata"]["name"]
    _check_name(name, platform)
    spec = parse_spec(TenantSpec, manifest)
    if plan is None:
        raise InvalidSpecError(
            f"there is no Plan {spec.plan}",
            remedy="Name a plan that `kubectl get plans` shows, or create this one.",
            reason=Reason.PLAN_MISSING,
        )
    _check_ranges(plan, platform)
    tenant = tenants.Tenant(
        name=name,
        owner=spec.owner,
        plan=plan.name,
        home_assistant=_home_assistant(spec, plan),
        ollama=_ollama(spec, plan, platform),
        host=_host(name, spec, plan, platform),
        suspended=spec.suspended,
        deletion_policy=spec.deletion_policy,
        adopt=spec.adopt or "",
        allowed_cidrs=plan.allowed_cidrs,
        storage_class=plan.storage_class or platform.storage_class,
    )
    _check_storage(tenant, plan)
    return tenant


def default_host(name: str, platform: Platform) -> str:
    """Return the host that the provider's template gives a tenant."""
    return platform.host_template.replace("{tenant}", name).replace("{domain}", platform.domain)


def parse_spec(model: type[_M], manifest: Manifest) -> _M:
    """Return a manifest's `spec` as its model.

    Raises:
        InvalidSpecError: Fields are missing, unknown or malformed; the message names the first of them.
    """
    try:
        return model.model_validate(manifest.get("spec", {}))
    except ValidationError as error:
        raise InvalidSpecError(
            explain(error, "spec"), remedy="Correct the fields and apply again.", reason=Reason.INVALID_SPEC
        ) from error


def explain(error: ValidationError, root: str = "") -> str:
    """Say in words which fields are wrong: at most three, without repeating what was written in them."""
    faults = []
    for fault in error.errors(include_url=False, include_input=False):
        path = root
        for step in fault["loc"]:
            path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
        said = {"extra_forbidden": "there is no such field", "missing": "this field is required"}
        message = said.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
        faults.append(f"{path}: {cap(message)}")
    more = len(faults) - MAX_FAULTS_TOLD
    return "; ".join(faults[:MAX_FAULTS_TOLD]) + (f"; and {more} more" if more > 0 else "")


def _check_name(name: str, platform: Platform) -> None:
    if len(name) > TENANT_NAME_MAX or not re.fullmatch(LABEL_PATTERN, name):
        raise InvalidSpecError(
            f"the name {cap(name, 80)} cannot be part of a host and a namespace",
            remedy=f"Use at most {TENANT_NAME_MAX} lower-case letters, digits and hyphens, without dots.",
        )
    if names.namespace(name) == platform.release_namespace:
        raise InvalidSpecError(
            f"the name {name} would take Insula's own namespace",
            remedy="Choose another name.",
            reason=Reason.NAME_RESERVED,
        )


def _home_assistant(spec: TenantSpec, plan: tenants.Plan) -> tenants.HomeAssistant:
    asked = spec.home_assistant
    resources = _resources(asked.resources, plan.home_assistant)
    _check_ceiling("spec.homeAssistant", resources, plan.max_home_assistant, plan.name)
    return tenants.HomeAssistant(
        resources=resources,
        storage_gib=asked.storage_gib or plan.home_assistant_storage_gib,
        image=asked.image or "",
        configuration=asked.configuration,
    )


def _ollama(spec: TenantSpec, plan: tenants.Plan, platform: Platform) -> tenants.Ollama:
    asked = spec.ollama
    resources = _resources(asked.resources, plan.ollama)
    _check_ceiling("spec.ollama", resources, plan.max_ollama, plan.name)
    gpu = plan.gpu.default_count if asked.gpu is None else asked.gpu
    if gpu > plan.max_gpu:
        raise _ceiling_exceeded("spec.ollama.gpu", f"{gpu}", f"{plan.max_gpu}", plan.name)
    for model in asked.models:
        _check_model(model, plan)
    return tenants.Ollama(
        resources=resources,
        storage_gib=asked.storage_gib or plan.ollama_storage_gib,
        models=asked.models,
        image=asked.image or "",
        gpu=gpu,
        device=plan.gpu,
        inference=replace(
            plan.inference,
            alone=gpu > 0 and plan.gpu.kind is not GpuClass.SHARED,
            sleep_after_s=_sleep_after_s(asked, plan),
        ),
        model_form=plan.model_form,
        shared=_shared(asked.models, plan, platform),
    )


def _sleep_after_s(asked: OllamaSpec, plan: tenants.Plan) -> int | None:
    """Return when Ollama stops: a home may let go of what it has sooner than its plan says, not later."""
    usual = plan.inference.sleep_after_s
    if asked.sleep_after is None:
        return usual
    wished = times.seconds(asked.sleep_after)
    if usual is not None and wished > usual:
        raise _ceiling_exceeded("spec.ollama.sleepAfter", f"{wished} s", f"{usual} s", plan.name)
    return wished


def _shared(models: Sequence[str], plan: tenants.Plan, platform: Platform) -> tuple[ModelImage, ...]:
    """Return the images of the models, in an order that does not depend on which of them is talked to."""
    if plan.model_form is not ModelForm.IMAGE:
        return ()
    return tuple(each for each in platform.model_images if each.model in models)


def _resources(asked: Amounts, default: Resources) -> Resources:
    """Take the asked limits; requests keep the plan's proportion, so that asking never overcommits a node."""
    cpu = parse_cpu(asked.cpu) if asked.cpu else default.cpu_limit_m
    memory = parse_memory(asked.memory) if asked.memory else default.memory_limit_mib
    return Resources(
        cpu_request_m=max(1, cpu * default.cpu_request_m // default.cpu_limit_m),
        cpu_limit_m=cpu,
        memory_request_mib=max(1, memory * default.memory_request_mib // default.memory_limit_mib),
        memory_limit_mib=memory,
    )


def _check_ceiling(field: str, asked: Resources, ceiling: Resources, plan: str) -> None:
    if asked.cpu_limit_m > ceiling.cpu_limit_m:
        raise _ceiling_exceeded(f"{field}.resources.cpu", f"{asked.cpu_limit_m}m", f"{ceiling.cpu_limit_m}m", plan)
    if asked.memory_limit_mib > ceiling.memory_limit_mib:
        asked_text, most = f"{asked.memory_limit_mib}Mi", f"{ceiling.memory_limit_mib}Mi"
        raise _ceiling_exceeded(f"{field}.resources.memory", asked_text, most, plan)


def _check_storage(tenant: tenants.Tenant, plan: tenants.Plan) -> None:
    total = tenant.home_assistant.storage_gib + tenant.ollama.storage_gib
    if total > plan.max_storage_gib:
        raise _ceiling_exceeded("the sum of both storageGiB", f"{total} GiB", f"{plan.max_storage_gib} GiB", plan.name)


def _check_ranges(plan: tenants.Plan, platform: Platform) -> None:
    """Refuse to open what no plan opens. Of a range that only holds such a part, the part stays shut."""
    for cidr in plan.allowed_cidrs:
        if not ranges.without((cidr,), (*platform.cluster_cidrs, *ranges.SEALED)):
            raise InvalidSpecError(
                f"Plan {plan.name}: allowedCIDRs {cidr} lies in what no plan can open: the cluster's own ranges "
                "(network.clusterCIDRs), link-local and metadata addresses",
                remedy="Take it out of the plan.",
                reason=Reason.INVALID_PLAN,
            )


def _ceiling_exceeded(field: str, asked: str, most: str, plan: str) -> InvalidSpecError:
    return InvalidSpecError(
        f"{field} is {asked}, and the plan {plan} allows at most {most}",
        remedy="Ask for less, or choose a larger plan.",
        reason=Reason.CEILING_EXCEEDED,
    )


def _check_model(model: str, plan: tenants.Plan) -> None:
    if plan.allowed_models and not any(fnmatchcase(model, pattern) for pattern in plan.allowed_models):
        raise InvalidSpecError(
            f"the plan {plan.name} does not allow the model {model}",
            remedy=f"Choose one of {_listed(plan.allowed_models)}, or another plan.",
            reason=Reason.MODEL_NOT_ALLOWED,
        )


def _host(name: str, spec: TenantSpec, plan: tenants.Plan, platform: Platform) -> str:
    own = default_host(name, platform)
    asked = spec.access.host or own
    if asked == own:
        return own
    if _is_anothers_default(asked, platform) or not any(_host_matches(asked, glob) for glob in plan.allowed_hosts):
        free = _listed((own, *plan.allowed_hosts))
        raise InvalidSpecError(
            f"the plan {plan.name} does not allow the host {asked}",
            remedy=f"Leave spec.access.host out, or choose a free one of {free}.",
            reason=Reason.HOST_NOT_ALLOWED,
        )
    return asked


def _is_anothers_default(host: str, platform: Platform) -> bool:
    """Say whether the template makes this host for some tenant: it is kept for that one, who may come later."""
    template = re.escape(default_host("\0", platform)).replace(re.escape("\0"), LABEL_PATTERN)
    return re.fullmatch(template, host) is not None


def _host_matches(host: str, pattern: str) -> bool:
    """Match label by label, as certificates do: a star never spans a dot."""
    labels, globs = host.split("."), pattern.split(".")
    return len(labels) == len(globs) and all(map(fnmatchcase, labels, globs))


def _listed(items: Sequence[str]) -> str:
    return cap(", ".join(items))
