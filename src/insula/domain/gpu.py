"""GPUs as plans sell them: the ways in which homes share a device, and what Kubernetes calls the shares."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

VENDOR: Final = "nvidia.com/"
DEVICE: Final = f"{VENDOR}gpu"  # a whole device, or a share of one where the node does not rename its shares
SHARED_DEVICE: Final = f"{DEVICE}.shared"  # a share on a node that renames them
# The label of a node that chooses a configuration of NVIDIA's device plugin.
CONFIG_LABEL: Final = f"{VENDOR}device-plugin.config"
STRATEGY_LABEL: Final = f"{VENDOR}gpu.sharing-strategy"  # written by NVIDIA's feature discovery
PRODUCT_LABEL: Final = f"{VENDOR}gpu.product"
MIB: Final = 1024 * 1024


class GpuClass(StrEnum):
    """How a home gets at a GPU."""

    NONE = "none"
    """Not at all: Ollama computes on the CPU."""
    SHARED = "shared"
    """Time slices: homes take turns; nothing but their good manners parts their memory."""
    MPS = "mps"
    """Partitions by CUDA's Multi-Process Service: memory and compute are limited to equal parts."""
    MIG = "mig"
    """A slice that the hardware parts from the others."""
    WHOLE = "whole"
    """Devices of its own."""


@dataclass(frozen=True)
class Gpu:
    """What a plan's homes compute on.

    Attributes:
        kind: How they share.
        profile: The slice, such as 1g.10gb; for MIG alone.
        renamed: Whether nodes call a share `nvidia.com/gpu.shared`.
        config: The value of the nodes' label `nvidia.com/device-plugin.config`; empty: any node with the resource.
        reserve_mib: Memory of the device that Ollama leaves to others.
        default_count: What a home gets without asking.
    """

    kind: GpuClass = GpuClass.WHOLE
    profile: str = ""
    renamed: bool = False
    config: str = ""
    reserve_mib: int = 0
    default_count: int = 0

    @property
    def resource(self) -> str:
        """The name of the resource that a pod asks for."""
        if self.kind is GpuClass.MIG:
            return f"{VENDOR}mig-{self.profile}"
        return SHARED_DEVICE if self.renamed else DEVICE


@dataclass(frozen=True)
class GpuFailure:
    """The last failure of a home's GPU.

    Attributes:
        pod: UID of the pod that stood on the device.
        since: When that was first seen, an ISO time.
        devices: Which devices; empty once Ollama is well again.
        replaced: UID of the last such pod in whose place another one was made. It stays for good: forgetting it would
            be another template, and so another pod.
    """

    pod: str = ""
    since: str = ""
    devices: str = ""
    replaced: str = ""

    def to_text(self) -> str:
        """Return what an annotation holds of it: JSON, or nothing where no GPU ever failed."""
        return json.dumps({key: value for key, value in asdict(self).items() if value}) if self != GpuFailure() else ""

    @classmethod
    def from_text(cls, text: str) -> "GpuFailure":
        """Read it back; what is spoilt reads as if no GPU ever failed."""
        try:
            return cls(**{key: str(value) for key, value in json.loads(text).items()})
        except (ValueError, TypeError, AttributeError):
            return cls()
