"""What a provider writes in a Plan: what a tenant gets without asking, and what it may ask for at most."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from insula.contract.base import Model, Shape, marks
from insula.contract.fields import Cidr, GpuShares, HostGlob, ModelGlob, StorageGiB
from insula.contract.gpus import GpuSpec, without_words
from insula.contract.inference import InferenceSpec
from insula.contract.quantities import CpuQuantity, MemoryQuantity, parse_cpu, parse_memory
from insula.domain import tenants
from insula.domain.errors import InvalidSpecError
from insula.domain.manifests import Manifest
from insula.domain.models import ModelForm
from insula.domain.quantities import Resources


class Quantities(Model):
    """An amount of CPU and of memory."""

    cpu: CpuQuantity
    """CPU in cores or millicores, for example 2 or 500m."""

    memory: MemoryQuantity
    """Memory with its unit, for example 2Gi."""


class RequestsAndLimits(Model):
    """What a container is sure to get, and what it may use at most."""

    requests: Quantities
    """What the scheduler sets aside."""

    limits: Quantities
    """What the container may use at most."""

    def to_domain(self, where: str) -> Resources:
        """Return the amounts in millicores and MiB.

        Raises:
            InvalidSpecError: A request exceeds its limit; the message names the field `where`.
        """
        resources = Resources(
            cpu_request_m=parse_cpu(self.requests.cpu),
            cpu_limit_m=parse_cpu(self.limits.cpu),
            memory_request_mib=parse_memory(self.requests.memory),
            memory_limit_mib=parse_memory(self.limits.memory),
        )
        too_much = resources.cpu_request_m > resources.cpu_limit_m
        if too_much or resources.memory_request_mib > resources.memory_limit_mib:
            kind = "cpu" if too_much else "memory"
            raise InvalidSpecError(
                f"{where}.resources.requests.{kind} exceeds {where}.resources.limits.{kind}",
                remedy="Lower the request or raise the limit.",
            )
        return resources


class Defaults(Model):
    """What one part of a home gets when its tenant says nothing."""

    resources: RequestsAndLimits
    """CPU and memory."""

    storage_gib: Annotated[StorageGiB, Field(alias="storageGiB")]
    """The size of the volume in GiB."""


class PlanDefaults(Model):
    """What a tenant gets without asking."""

    home_assistant: Defaults
    """Home Assistant and its volume for /config."""

    ollama: Defaults
    """Ollama and its volume for models."""


class OllamaCeiling(Quantities):
    """The most that a tenant may ask for its Ollama."""

    gpu: GpuShares = 0
    """The most GPUs, or shares of one. 0: what `spec.gpu` gives every home, and none without that."""


class Ceilings(Model):
    """The most that a tenant may ask for. What is absent equals the default."""

    home_assistant: Quantities | None = None
    """The highest limits of Home Assistant."""

    ollama: OllamaCeiling | None = None
    """The highest limits of Ollama."""

    storage_gib: Annotated[StorageGiB | None, Field(alias="storageGiB")] = None
    """The largest sum of a tenant's volumes in GiB."""


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


MaxUnavailable = Annotated[
    str,
    BeforeValidator(_as_text),
    Field(max_length=8, json_schema_extra=marks(int_or_string=True)),
    Shape(r"[1-9][0-9]{0,5}|[1-9][0-9]?%|100%", "write a number of homes, or a percentage of them, for example 10%"),
]


class Rollout(Model):
    """How a change goes through the homes of this plan: of the plan, of the platform's images, of Insula itself."""

    max_unavailable: MaxUnavailable = "10%"
    """How many homes may be down at once, a number or a percentage (at least one home). A tenant's own changes do not
    wait."""

    def to_domain(self) -> tenants.Pace:
        """Return the pace."""
        text = self.max_unavailable
        return tenants.Pace(int(text.removesuffix("%")), text.endswith("%"))


class PlanSpec(Model):
    """What a provider sells: defaults, ceilings, and what a home may reach and be called."""

    defaults: PlanDefaults
    """What a tenant gets without asking."""

    ceilings: Ceilings = Ceilings()
    """The most that a tenant may ask for."""

    gpu: GpuSpec | None = None
    """What the homes compute on. Absent: whole devices (`nvidia.com/gpu`) for those who ask, up to the ceiling."""

    inference: InferenceSpec = InferenceSpec()
    """How the gateway treats the homes' prompts."""

    model_form: Literal["volume", "image"] = "volume"
    """volume: each home has a copy of its models in a volume of its own. image: a node has one copy for all its homes,
    out of the images in the chart's `sharedModels`; needs Kubernetes 1.33 and containerd 2.1, or newer."""

    storage_class: Annotated[str, Field(max_length=253)] = ""
    """The StorageClass of the volumes. Empty: the provider's, or else the cluster's default."""

    allowed_models: Annotated[tuple[ModelGlob, ...], Field(max_length=64)] = ()
    """Shell patterns of the models that a tenant may name, for example gemma3:*. Empty: all."""

    allowed_hosts: Annotated[tuple[HostGlob, ...], Field(max_length=64)] = ()
    """Patterns of the hosts that a tenant may choose, for example *.homes.example.com. Empty: none but its own."""

    allowed_cidrs: Annotated[tuple[Cidr, ...], Field(alias="allowedCIDRs", max_length=64)] = ()
    """Private ranges that a home may reach all the same, for example its LAN, 192.168.1.0/24. The cluster's own ranges
    in it stay shut."""

    rollout: Rollout = Rollout()
    """How a change goes through the homes of this plan."""

    def to_domain(self, name: str) -> tenants.Plan:
        """Return the plan in millicores, MiB and GiB.

        Raises:
            InvalidSpecError: A request exceeds its limit, or a default its ceiling, or GPUs are sold as they cannot be.
        """
        gpu_ceiling = self.ceilings.ollama.gpu if self.ceilings.ollama else None
        gpu, max_gpu = self.gpu.to_domain(gpu_ceiling) if self.gpu else without_words(gpu_ceiling)
        home_assistant = self.defaults.home_assistant
        ollama = self.defaults.ollama
        plan = tenants.Plan(
            name=name,
            home_assistant=home_assistant.resources.to_domain("spec.defaults.homeAssistant"),
            home_assistant_storage_gib=home_assistant.storage_gib,
            ollama=ollama.resources.to_domain("spec.defaults.ollama"),
            ollama_storage_gib=ollama.storage_gib,
            max_home_assistant=_ceiling(self.ceilings.home_assistant or home_assistant.resources.limits),
            max_ollama=_ceiling(self.ceilings.ollama or ollama.resources.limits),
            max_storage_gib=self.ceilings.storage_gib or home_assistant.storage_gib + ollama.storage_gib,
            max_gpu=max_gpu,
            gpu=gpu,
            inference=self.inference.to_domain(),
            model_form=ModelForm(self.model_form),
            storage_class=self.storage_class,
            allowed_models=self.allowed_models,
            allowed_hosts=self.allowed_hosts,
            allowed_cidrs=self.allowed_cidrs,
            pace=self.rollout.to_domain(),
        )
        _require_defaults_below_ceilings(plan)
        return plan


def pace_of(manifest: Manifest | None) -> tenants.Pace:
    """Return the pace that a Plan object sets; one that cannot be read, or is missing, has the usual pace."""
    try:
        return Rollout.model_validate((manifest or {}).get("spec", {}).get("rollout", {})).to_domain()
    except ValidationError:
        return tenants.Pace()


def _ceiling(most: Quantities) -> Resources:
    cpu, memory = parse_cpu(most.cpu), parse_memory(most.memory)
    return Resources(cpu_request_m=cpu, cpu_limit_m=cpu, memory_request_mib=memory, memory_limit_mib=memory)


def _require_defaults_below_ceilings(plan: tenants.Plan) -> None:
    broken = {
        "homeAssistant": not plan.home_assistant.fits_in(plan.max_home_assistant),
        "ollama": not plan.ollama.fits_in(plan.max_ollama),
        "storageGiB": plan.home_assistant_storage_gib + plan.ollama_storage_gib > plan.max_storage_gib,
    }
    for field, is_broken in broken.items():
        if is_broken:
            raise InvalidSpecError(
                f"the plan's own defaults exceed spec.ceilings.{field}",
                remedy="Raise the ceiling or lower the defaults.",
            )
