"""Make the image of a model from what a registry holds, and put it into a registry that nodes pull from.

Bytes flow from one to the other: neither memory nor disk holds the model.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Sequence

from insula.domain.errors import NotFoundError, RefusedError, UnavailableError
from insula.domain.models import ModelImage
from insula.ollama import images
from insula.ollama.manifests import Blob
from insula.ollama.names import ModelName
from insula.ollama.registry import Registry
from insula.ollama.store import CHUNK_BYTES

Progress = Callable[[int, int], None]


async def publish(
    source: Registry, target: Registry, name: ModelName, host: str, progress: Progress, *, again: bool = False
) -> ModelImage:
    """Make and upload a model's image; what the registry has already is not made again.

    Args:
        source: Where the model is.
        target: Where its image goes; it may be the same.
        name: The model.
        host: The target as the nodes call it, such as `registry.example.com:5000`.
        progress: Told of the bytes that went, and of the whole.
        again: Make another copy, which every node fetches anew: the way to replace one that was damaged.

    Returns:
        The image by its digest, as `sharedModels.images` of the chart's values names it.

    Raises:
        NotFoundError: The source does not have the model.
        UnavailableError: A registry did not answer, or a blob came damaged.
        RefusedError: A registry said no.
    """
    manifest = await source.read_manifest(name)
    digest, model_digest, copy = await _present(target, name)
    if again:
        copy += 1
    elif digest and model_digest == manifest.digest:
        return images.named(host, name, digest, manifest)
    content = list(images.layer(name, manifest, copy=copy))
    repository, whole = images.repository(name), images.size_of(content)
    made = await target.write_stream(repository, _stream(source, name, content, progress, whole), whole)
    documents = images.documents(name, manifest, Blob(made, whole, images.LAYER_TYPE), copy=copy)
    for config in documents.configs:
        await target.write_to(repository, config.blob, config.content)
    for each in documents.manifests:
        await target.write_document(repository, each.blob.digest, each.content, each.blob.media_type)
    index = documents.index
    await target.write_document(repository, name.tag, index.content, index.blob.media_type)
    return images.named(host, name, index.blob.digest, manifest)


async def _present(target: Registry, name: ModelName) -> tuple[str, str, int]:
    """Return the image's digest, its model's digest and the number of its copy; empty where there is none."""
    try:
        raw, digest = await target.read_document(images.repository(name), name.tag, images.INDEX_TYPE)
    except NotFoundError:
        return "", "", 0
    try:
        annotations = json.loads(raw).get("annotations") or {}
        return (
            digest,
            str(annotations.get(images.ANNOTATION_DIGEST, "")),
            int(annotations.get(images.ANNOTATION_COPY, 0)),
        )
    except (ValueError, AttributeError, TypeError) as error:
        raise RefusedError(
            f"what stands at {images.repository(name)}:{name.tag} is no image of a model", remedy="remove it"
        ) from error


async def _stream(
    source: Registry, name: ModelName, content: Sequence[bytes | Blob], progress: Progress, whole: int
) -> AsyncIterator[bytes]:
    done = 0
    for part in content:
        if isinstance(part, bytes):
            done += len(part)
            yield part
            continue
        running = hashlib.sha256()
        async with source.read_blob(name, part, 0) as answer:
            async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                running.update(chunk)
                done += len(chunk)
                progress(done, whole)
                yield chunk
        if f"sha256:{running.hexdigest()}" != part.digest:
            raise UnavailableError(f"{name}: {part.digest[:19]}… came damaged", remedy="try it again")
