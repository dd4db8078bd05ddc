"""A tenant and the plan that bounds it, as the rest of Insula sees them: checked, complete, frozen."""

from dataclasses import dataclass, field
from enum import StrEnum

from insula.domain.gpu import Gpu
from insula.domain.inference import Inference
from insula.domain.models import ModelForm, ModelImage
from insula.domain.quantities import Resources


class DeletionPolicy(StrEnum):
    """What happens to a tenant's data when its Tenant object goes."""

    RETAIN = "Retain"
    DELETE = "Delete"


@dataclass(frozen=True)
class HomeAssistant:
    """A tenant's Home Assistant. `image` empty means the platform's; `storage_gib` is the /config volume in GiB."""

    resources: Resources
    storage_gib: int
    image: str = ""
    configuration: str = ""  # the resident's own YAML package, included by configuration.yaml


@dataclass(frozen=True)
class Ollama:
    """A tenant's Ollama. `image` empty means the platform's; `gpu` counts shares of `device`, 0 is CPU only.

    `shared` holds the images of its models, as far as there are any, where `model_form` is IMAGE.
    """

    resources: Resources
    storage_gib: int
    models: tuple[str, ...] = ()
    image: str = ""
    gpu: int = 0
    device: Gpu = field(default_factory=Gpu)
    inference: Inference = field(default_factory=Inference)
    model_form: ModelForm = ModelForm.VOLUME
    shared: tuple[ModelImage, ...] = ()


@dataclass(frozen=True)
class Pace:
    """How many of a plan's homes may be down at once: a number, or so many of each hundred."""

    amount: int = 10
    is_percent: bool = True

    def of(self, homes: int) -> int:
        """Return how many of so many homes: at least one, or nothing would ever change."""
        return max(1, homes * self.amount // 100) if self.is_percent else self.amount


@dataclass(frozen=True)
class Plan:
    """What a provider sells: defaults for a tenant that says nothing, ceilings for one that says too much.

    `allowed_models` and `allowed_hosts` hold shell patterns; an empty `allowed_models` allows all.
    `allowed_cidrs` are private ranges that a home may reach all the same (its LAN).
    """

    name: str
    home_assistant: Resources
    home_assistant_storage_gib: int
    ollama: Resources
    ollama_storage_gib: int
    max_home_assistant: Resources
    max_ollama: Resources
    max_storage_gib: int
    max_gpu: int = 0
    gpu: Gpu = field(default_factory=Gpu)
    inference: Inference = field(default_factory=Inference)
    model_form: ModelForm = ModelForm.VOLUME
    storage_class: str = ""
    allowed_models: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    allowed_cidrs: tuple[str, ...] = ()
    pace: Pace = Pace()


@dataclass(frozen=True)
class Tenant:
    """One person's home: complete, with the plan's defaults filled in and its ceilings checked."""

    name: str
    owner: str
    plan: str
    home_assistant: HomeAssistant
    ollama: Ollama
    host: str
    suspended: bool = False
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    adopt: str = ""  # the tenant-id of retained data to take over; empty: none
    allowed_cidrs: tuple[str, ...] = field(default=())
    storage_class: str = ""
