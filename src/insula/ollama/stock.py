"""What a registry holds of models, in both forms, and removing one."""

import json

from insula.domain.errors import NotFoundError, RefusedError
from insula.ollama import images
from insula.ollama.manifests import LAYER_TYPE, MANIFEST_TYPE
from insula.ollama.names import ModelName
from insula.ollama.registry import Registry


async def take(registry: Registry) -> tuple[dict[str, int], frozenset[str]]:
    """Return the models with their sizes in bytes, and those that have an image; other images are no models."""
    sizes = {}
    for name in await registry.list_models():
        size = await _size(registry, name)
        if size:
            sizes[str(name)] = size
    return sizes, frozenset(map(str, await registry.list_images(images.PREFIX)))


async def remove(registry: Registry, name: ModelName) -> None:
    """Remove a model in both forms; what is not there is no error."""
    await _remove(registry, name.repository, name.tag, MANIFEST_TYPE)
    await _remove(registry, images.repository(name), name.tag, images.INDEX_TYPE)


async def _size(registry: Registry, name: ModelName) -> int:
    """Return a model's size in bytes, 0 for what is no model."""
    try:
        manifest = await registry.read_manifest(name)
    except (NotFoundError, RefusedError):
        return 0
    is_model = any(layer.media_type == LAYER_TYPE.format("model") for layer in manifest.layers)
    return manifest.size if is_model else 0


async def _remove(registry: Registry, repository: str, tag: str, media_type: str) -> None:
    try:
        raw, digest = await registry.read_document(repository, tag, media_type)
    except NotFoundError:
        return
    if await _has_other_tag(registry, repository, tag, digest, media_type):
        # By its digest it would go under its other name, too.
        await registry.delete_document(repository, tag)
        return
    for part in json.loads(raw).get("manifests") or ():
        await registry.delete_document(repository, str(part["digest"]))
    await registry.delete_document(repository, digest)


async def _has_other_tag(registry: Registry, repository: str, tag: str, digest: str, media_type: str) -> bool:
    for other in await registry.list_tags(repository):
        if other == tag:
            continue
        try:
            _raw, its_digest = await registry.read_document(repository, other, media_type)
        except NotFoundError:
            continue
        if its_digest == digest:
            return True
    return False
