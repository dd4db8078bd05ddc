"""What a person writes in a Tenant: a home's owner and plan, and where it differs from what the plan gives."""

from typing import Annotated, Any, Final

import yaml
from pydantic import AfterValidator, ConfigDict, Field

from insula.contract.base import SERVER_DEFAULT, Model, marks, rules
from insula.contract.fields import Email, GpuShares, Host, Image, ModelName, ObjectName, StorageGiB, TenantId
from insula.contract.inference import Rest
from insula.contract.quantities import CpuQuantity, MemoryQuantity
from insula.domain.tenants import DeletionPolicy

# A namespace is "insula-<name>" and a label holds 63 characters.
TENANT_NAME_MAX: Final = 56
# The last accepted spec is kept in an annotation, and all annotations of an object share 256 KiB.
CONFIGURATION_MAX: Final = 65536

_STORAGE_GROWS: Final = (
    "!has(oldSelf.storageGiB) || !has(self.storageGiB) || self.storageGiB >= oldSelf.storageGiB",
    "storageGiB can only grow: a volume cannot shrink",
)

_ADOPT_STAYS: Final = (
    "!has(oldSelf.adopt) || (has(self.adopt) && self.adopt == oldSelf.adopt)",
    "adopt cannot change once it is set: delete the Tenant (its data stays) and create it again",
)


def _readable_package(text: str) -> str:
    """Refuse what would keep Home Assistant from starting; tags such as `!secret` are its own affair."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        raise ValueError(f"this is no YAML{f' (line {where.line + 1})' if where else ''}") from error
    if root is None:
        return text
    if not isinstance(root, yaml.MappingNode):
        raise ValueError("a package is a mapping of integrations, for example `input_boolean:`")  # noqa: TRY004 (pydantic)
    # Home Assistant reads "http 2" as http, too.
    if any(str(key.value).split(" ")[0] == "http" for key, _ in root.value):
        raise ValueError("`http:` belongs to Insula, which sets what the ingress needs: leave it out")
    return text


def _each_once(models: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(models)) != len(models):
        raise ValueError("a model stands here twice: name each once")
    return models


class Amounts(Model):
    """How much a container may use. Its requests keep the plan's proportion to its limits."""

    cpu: CpuQuantity | None = None
    """The limit of CPU in cores or millicores, for example 2 or 500m. Absent: the plan's."""

    memory: MemoryQuantity | None = None
    """The limit of memory with its unit, for example 2Gi. Absent: the plan's."""


class HomeAssistantSpec(Model):
    """The tenant's Home Assistant."""

    model_config = ConfigDict(json_schema_extra=rules(_STORAGE_GROWS))

    image: Image | None = None
    """The image, with a version or a digest. Absent: the provider's."""

    resources: Amounts = Amounts()
    """Limits of CPU and memory, up to the plan's ceiling."""

    storage_gib: Annotated[StorageGiB | None, Field(alias="storageGiB")] = None
    """The size of the volume for /config in GiB. Absent: the plan's. It can grow, never shrink."""

    configuration: Annotated[str, Field(max_length=CONFIGURATION_MAX), AfterValidator(_readable_package)] = ""
    """A YAML package that Home Assistant reads besides the resident's own files (without `http:`)."""


class OllamaSpec(Model):
    """The tenant's Ollama."""

    model_config = ConfigDict(json_schema_extra=rules(_STORAGE_GROWS))

    image: Image | None = None
    """The image, with a version or a digest. Absent: the provider's."""

    models: Annotated[
        tuple[ModelName, ...],
        Field(max_length=16, json_schema_extra=marks(list_type="set")),
        AfterValidator(_each_once),
    ] = ()
    """The models to have, each name:tag. Home Assistant talks to the first. None: no conversation."""

    gpu: GpuShares | None = None
    """GPUs, or shares of one, up to the plan's ceiling; 0 computes on the CPU. Absent: what the plan gives."""

    resources: Amounts = Amounts()
    """Limits of CPU and memory, up to the plan's ceiling."""

    storage_gib: Annotated[StorageGiB | None, Field(alias="storageGiB")] = None
    """The size of the volume for models in GiB. Absent: the plan's. It can grow, never shrink."""

    sleep_after: Rest | None = None
    """After how long without a prompt Ollama stops, 10s or more, up to what the plan says. Absent: the plan's."""


class AccessSpec(Model):
    """How the home is reached."""

    host: Host | None = None
    """The DNS name of the home; the plan says which are free to choose. Absent: made by the provider's template."""


class TenantSpec(Model):
    """One person's home: a Home Assistant and an Ollama of their own."""

    model_config = ConfigDict(json_schema_extra=rules(_ADOPT_STAYS))

    owner: Email
    """The e-mail address of the person who lives here; its first part becomes the login of the resident."""

    plan: ObjectName
    """The name of the Plan that gives the defaults and sets the ceilings."""

    home_assistant: HomeAssistantSpec = HomeAssistantSpec()
    """The tenant's Home Assistant, where it differs from the plan."""

    ollama: OllamaSpec = OllamaSpec()
    """The tenant's Ollama, where it differs from the plan, and its models."""

    access: AccessSpec = AccessSpec()
    """How the home is reached."""

    suspended: Annotated[bool, Field(json_schema_extra=SERVER_DEFAULT)] = False
    """True stops the home's pods and keeps all its data."""

    deletion_policy: Annotated[DeletionPolicy, Field(json_schema_extra=SERVER_DEFAULT)] = DeletionPolicy.RETAIN
    """What happens to the data when the Tenant is deleted: Retain keeps namespace and volumes, Delete removes them."""

    adopt: TenantId | None = None
    """The identity of kept data to take over (label `insula.dev/tenant-id` on its Namespace). Absent: begin anew."""

    def __repr_args__(self) -> Any:
        """Leave the resident's address and configuration out of logs."""
        return [("plan", self.plan)]
