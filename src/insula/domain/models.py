"""Where a home's models come from: a volume of its own, or images that all homes of a node share."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# Where a cluster's own registry of models stands, as the sandbox has one, and what it is called in the cluster.
REGISTRY_NAMESPACE: Final = "insula-registry"
REGISTRY_HOST: Final = f"registry.{REGISTRY_NAMESPACE}.svc.cluster.local:5000"


class ModelForm(StrEnum):
    """How models reach a home's Ollama."""

    VOLUME = "volume"
    """A Job fetches a copy into the home's own volume."""
    IMAGE = "image"
    """Images, each with one model, are mounted read-only: a node holds one copy for all its homes."""


@dataclass(frozen=True)
class ModelImage:
    """An image that holds a model. `digest` is the model's own, which Ollama lists; `size` is in bytes."""

    model: str
    image: str
    digest: str
    size: int = 0

    def to_values(self) -> dict[str, str | int]:
        """Return its entry in `sharedModels.images` of the chart's values."""
        return {"model": self.model, "image": self.image, "digest": self.digest, "sizeBytes": self.size}
