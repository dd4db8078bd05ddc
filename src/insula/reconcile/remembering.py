"""What the Namespace's annotations say next: the latches of claim, models and conversation, and the spec in force."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from insula.domain.key_rotation import Grace
from insula.domain.models import ModelForm
from insula.domain.situation import Memory
from insula.domain.tenants import Tenant
from insula.reconcile import devices, reading, walls
from insula.reconcile.facts import Facts
from insula.reconcile.job_reports import JobState
from insula.reconcile.model import Observed
from insula.reconcile.standing import Standing
from insula.reconcile.verdict import Verdict

FINGERPRINT_LENGTH: Final = 16
IN_IMAGES: Final = "images"  # stands for the volume where models are mounted from images


def inherit(memory: Memory, observed: Observed, standing: Standing) -> Memory:
    """Return the memory as the present Tenant takes it over; an adopted home's old keys die at once."""
    taken = replace(memory, tenant_uid=reading.uid(observed.tenant), retained_since="", held_since="")
    if standing is Standing.ADOPTING:
        return replace(taken, key_generation=memory.key_generation + 1, key_grace=Grace())
    return taken


def remember(memory: Memory, observed: Observed, verdict: Verdict, facts: Facts, now: datetime) -> Memory:
    """Return the memory with what the facts add to it.

    Args:
        memory: As inherited.
        observed: What the operator saw.
        verdict: With a tenant in force.
        facts: What the live objects tell.
        now: The time.
    """
    if verdict.tenant is None:
        return memory
    if facts.claim_ended:
        memory = replace(memory, claimed_volume=facts.config_volume)
    memory = _remember_models(memory, verdict.tenant, facts)
    memory = _remember_agent(memory, verdict.tenant, facts)
    memory = walls.remember(memory, facts, now)
    wants_gpu = verdict.tenant.ollama.gpu > 0 and not verdict.tenant.suspended
    memory = devices.remember(memory, facts.gpu_failure, facts.ollama, wants_gpu=wants_gpu, now=now)
    return replace(
        memory,
        deletion_policy=verdict.tenant.deletion_policy,
        accepted_spec=observed.accepted_spec if verdict.accepted else memory.accepted_spec,
    )


def is_claimed(memory: Memory, facts: Facts) -> bool:
    """Say whether the present volume has its accounts: a new volume is unclaimed again."""
    return bool(facts.config_volume) and memory.claimed_volume == facts.config_volume


def missing_models(memory: Memory, tenant: Tenant, facts: Facts) -> tuple[str, ...]:
    """Return the wished-for models that Ollama does not have."""
    held = held_models(memory, tenant, facts)
    return tuple(model for model in tenant.ollama.models if model not in held)


def held_models(memory: Memory, tenant: Tenant, facts: Facts) -> Mapping[str, str]:
    """Return the models that the present volume holds, or that come from images, with their digests."""
    if tenant.ollama.model_form is ModelForm.IMAGE:
        shared = {each.model: each.digest for each in tenant.ollama.shared}
        known = memory.pulled if memory.pulled_volume == IN_IMAGES else {}
        return {model: digest for model, digest in known.items() if shared.get(model) == digest}
    return memory.pulled if facts.models_volume and memory.pulled_volume == facts.models_volume else {}


def conversation(memory: Memory, tenant: Tenant, facts: Facts) -> str:
    """Return the fingerprint of what the conversation is set up with, empty if there is nothing to set up."""
    if not tenant.ollama.models or not facts.config_volume:
        return ""
    text = "\n".join((tenant.ollama.models[0], str(memory.key_generation), facts.config_volume))
    return hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_LENGTH]


def _remember_models(memory: Memory, tenant: Tenant, facts: Facts) -> Memory:
    if tenant.ollama.model_form is ModelForm.IMAGE:
        mounted = {each.model: each.digest for each in tenant.ollama.shared if each.image in facts.shared}
        return replace(memory, pulled_volume=IN_IMAGES, pulled=mounted) if facts.ollama.is_current else memory
    models = facts.pull.result.get("models")
    of_this_volume = bool(facts.models_volume) and facts.pull.purpose == facts.models_volume
    if facts.pull.state is not JobState.SUCCEEDED or not of_this_volume or not isinstance(models, dict):
        return memory
    held = memory.pulled if memory.pulled_volume == facts.models_volume else {}
    fetched = {str(name): str(digest) for name, digest in models.items()}
    return replace(memory, pulled_volume=facts.models_volume, pulled={**held, **fetched})


def _remember_agent(memory: Memory, tenant: Tenant, facts: Facts) -> Memory:
    wanted = conversation(memory, tenant, facts)
    if facts.converse.state is not JobState.SUCCEEDED or not wanted or facts.converse.purpose != wanted:
        return memory
    agent = str(facts.converse.result.get("agent", "")) or memory.agent
    return replace(memory, conversing=wanted, agent=agent)
