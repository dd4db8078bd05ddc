"""What a provider writes of GPUs: how a plan's homes share them, what each one gets, and what they are called."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from insula.contract.base import Model, Shape, rules
from insula.contract.fields import GpuShares
from insula.domain.errors import InvalidSpecError
from insula.domain.gpu import Gpu, GpuClass

PROFILE_PATTERN: Final = r"[1-9]g\.[1-9][0-9]{0,3}gb(\.me(\.all)?)?"
CONFIG_PATTERN: Final = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
# More shares of one device give a home no more of it, and Ollama uses one MIG slice only.
SINGLE: Final = frozenset({GpuClass.SHARED, GpuClass.MPS, GpuClass.MIG})

_PROFILE_FITS: Final = (
    "(self.class == 'mig') == has(self.profile)",
    "profile names a slice for class mig, and for no other: {class: mig, profile: 1g.10gb}",
)
_RENAMED_FITS: Final = (
    "!has(self.renamed) || !self.renamed || self.class == 'shared' || self.class == 'mps'",
    "renamed is for shares: class shared or mps",
)


GpuResource = Annotated[
    str,
    Field(max_length=63),
    Shape(r"nvidia\.com/[a-z0-9]([a-z0-9.-]*[a-z0-9])?", "a GPU is called like nvidia.com/mig-1g.10gb"),
]


class GpuSettings(Model):
    """The names of GPUs."""

    resources: Annotated[tuple[GpuResource, ...], Field(max_length=64)] = ()
    """GPU resources of your nodes besides `nvidia.com/gpu` and `nvidia.com/gpu.shared`, such as those of MIG. A home's
    quota forbids all of them but its plan's."""


class GpuSpec(Model):
    """What the homes of this plan compute on."""

    model_config = ConfigDict(json_schema_extra=rules(_PROFILE_FITS, _RENAMED_FITS))

    class_: Annotated[Literal["none", "shared", "mps", "mig", "whole"], Field(alias="class")]
    """How homes share a GPU: none, shared (time slices), mps (partitions), mig (hardware slices) or whole."""

    profile: Annotated[
        str | None,
        Field(max_length=32),
        Shape(PROFILE_PATTERN, "a MIG profile is written like 1g.10gb"),
    ] = None
    """The MIG slice, for example 1g.10gb; for class mig alone."""

    count: GpuShares = 1
    """How many a home gets without asking; 0 leaves it to the tenant (`spec.ollama.gpu`)."""

    renamed: bool = False
    """True where the nodes call a share `nvidia.com/gpu.shared` (the device plugin's `renameByDefault`)."""

    config: Annotated[
        str,
        Field(max_length=63),
        Shape(f"({CONFIG_PATTERN})?", "a configuration is named like a label's value, for example shared-4"),
    ] = ""
    """Only nodes with this label `nvidia.com/device-plugin.config`. Empty: any node that has the resource."""

    reserve_mib: Annotated[int, Field(alias="reserveMiB", ge=0, le=1_048_576)] = 0
    """Memory of each device in MiB that Ollama leaves free for its neighbours (`OLLAMA_GPU_OVERHEAD`)."""

    def to_domain(self, ceiling: int | None) -> tuple[Gpu, int]:
        """Return what homes compute on, and the most that one may ask for.

        Args:
            ceiling: The plan's `ceilings.ollama.gpu`; None where it says nothing.

        Raises:
            InvalidSpecError: Count, ceiling, class and profile do not fit together.
        """
        kind = GpuClass(self.class_)
        if (kind is GpuClass.MIG) != (self.profile is not None):
            raise InvalidSpecError(_PROFILE_FITS[1], remedy="Correct spec.gpu.")
        if self.renamed and kind not in (GpuClass.SHARED, GpuClass.MPS):
            raise InvalidSpecError(_RENAMED_FITS[1], remedy="Correct spec.gpu.")
        count = 0 if kind is GpuClass.NONE else self.count
        most = ceiling or count
        room = ({GpuClass.NONE: 0} | dict.fromkeys(SINGLE, 1)).get(kind, most)
        if most > room:
            raise InvalidSpecError(
                f"spec.gpu.class {kind} has room for {room} at most, and the plan sells {most}",
                remedy="Lower spec.gpu.count and spec.ceilings.ollama.gpu; more than one is for class whole.",
            )
        if count > most:
            raise InvalidSpecError(
                f"spec.gpu.count is {count}, and spec.ceilings.ollama.gpu allows at most {most}",
                remedy="Raise the ceiling or lower the count.",
            )
        return Gpu(kind, self.profile or "", self.renamed, self.config, self.reserve_mib, count), most


def without_words(ceiling: int | None) -> tuple[Gpu, int]:
    """Return the same for a plan that says nothing of GPUs but its ceiling: whole devices, for those who ask."""
    return Gpu(GpuClass.WHOLE if ceiling else GpuClass.NONE), ceiling or 0
