"""What a provider writes of models that homes share."""

from typing import Annotated

from pydantic import Field

from insula.contract.base import Model, Shape
from insula.contract.fields import Image, ModelName
from insula.domain.models import ModelImage


class SharedModel(Model):
    """One model as an image; `insula model publish` makes it and prints these lines."""

    model: ModelName
    """The model's name, as tenants write it."""

    image: Annotated[Image, Shape(r".*@sha256:[a-f0-9]{64}", "the image of a model is named by its digest")]
    """The image, by its digest."""

    digest: Annotated[str, Shape(r"sha256:[a-f0-9]{64}", "a digest is written sha256: and 64 hexadecimal digits")]
    """The model's own digest, as Ollama lists it."""

    size_bytes: Annotated[int, Field(ge=0)] = 0
    """How large the model is."""


class SharedModels(Model):
    """Models as images, of which a node holds one copy for all homes whose plan says `modelForm: image`."""

    images: Annotated[tuple[SharedModel, ...], Field(max_length=256)] = ()
    """The models."""

    keep_on_nodes: bool = True
    """Whether every node that may run homes fetches them in advance, checks them daily, and keeps them even while no
    home uses them."""

    def to_domain(self) -> tuple[ModelImage, ...]:
        """Return the images, sorted by model."""
        found = (ModelImage(each.model, each.image, each.digest, each.size_bytes) for each in self.images)
        return tuple(sorted(found, key=lambda each: each.model))
