"""Put weights into a registry as a model that Ollama, and our pull Job, can fetch."""

import asyncio
import hashlib
import json
from pathlib import Path

from insula.domain.models import ModelImage
from insula.ollama import images
from insula.ollama.catalogue import Recipe
from insula.ollama.gguf import Weights, read_weights
from insula.ollama.manifests import CONFIG_TYPE, LAYER_TYPE, Blob, ModelManifest, build_manifest, digest_of
from insula.ollama.names import ModelName
from insula.ollama.registry import Registry, open_registry
from insula.ollama.store import hash_content, hash_file


async def push_model(registry_url: str, name: str, gguf: Path, recipe: Recipe) -> str:
    """Upload `gguf` as the model `name`; return the model's digest. What the registry has is not sent again.

    Args:
        registry_url: Such as `http://127.0.0.1:5000`; user and password may stand in it.
        name: Such as `gemma3:270m`.
        gguf: The weights. They are read twice: once for their digest, once to be sent.
        recipe: Template, parameters, system prompt and licence; `catalogue.recipe_for` knows some.

    Raises:
        InvalidSpecError: The file is no GGUF, or the name is none.
        UnavailableError: The registry did not answer.
        RefusedError: The registry said no.
    """
    model = ModelName.parse(name)
    manifest, contents = await asyncio.to_thread(parts_of, gguf, recipe)
    async with open_registry(registry_url) as registry:
        await _send(registry, model, manifest, contents)
    return manifest.digest


def parts_of(gguf: Path, recipe: Recipe) -> tuple[ModelManifest, list[tuple[Blob, bytes | Path]]]:
    """Return the manifest of a model and what its blobs hold.

    Raises:
        InvalidSpecError: The file is no GGUF.
    """
    weights = read_weights(gguf)
    main = _blob_of_file(gguf)
    texts = [(layer_blob(kind, content), content) for kind, content in texts_of(recipe)]
    layers = (main, *(blob for blob, _ in texts))
    config_content = config_of(weights, layers)
    config = Blob(digest_of(config_content), len(config_content), CONFIG_TYPE)
    return build_manifest(config, layers), [(main, gguf), *texts, (config, config_content)]


def image_of(name: ModelName, gguf: Path, recipe: Recipe, host: str) -> ModelImage:
    """Return the image that `publishing.publish` makes of this model, without making it.

    Raises:
        InvalidSpecError: The file is no GGUF.
    """
    manifest, contents = parts_of(gguf, recipe)
    held = {blob.digest: content for blob, content in contents}
    running, size = hashlib.sha256(), 0
    for part in images.layer(name, manifest):
        if isinstance(part, bytes):
            running.update(part)
            size += len(part)
        else:
            content = held[part.digest]
            hash_content(running, content)
            size += part.size
    made = Blob(f"sha256:{running.hexdigest()}", size, images.LAYER_TYPE)
    return images.named(host, name, images.documents(name, manifest, made).index.blob.digest, manifest)


def texts_of(recipe: Recipe) -> list[tuple[str, bytes]]:
    """Return the recipe's layers by kind, in the order in which Ollama writes them."""
    layers: list[tuple[str, bytes]] = []
    for kind, text in (("template", recipe.template), ("system", recipe.system), ("license", recipe.license)):
        if text:
            layers.append((kind, text.encode()))
    if recipe.parameters:
        layers.append(("params", json.dumps(dict(recipe.parameters), separators=(",", ":")).encode()))
    return layers


def layer_blob(kind: str, content: bytes) -> Blob:
    """Return the descriptor of a layer of text."""
    return Blob(digest_of(content), len(content), LAYER_TYPE.format(kind))


def config_of(weights: Weights, layers: tuple[Blob, ...]) -> bytes:
    """Return the config blob: what Ollama shows of a model."""
    return json.dumps(
        {
            "model_format": "gguf",
            "model_family": weights.architecture,
            "model_families": [weights.architecture],
            "model_type": weights.size_label,
            "file_type": weights.file_type,
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        },
        separators=(",", ":"),
    ).encode()


async def _send(
    registry: Registry, name: ModelName, manifest: ModelManifest, contents: list[tuple[Blob, bytes | Path]]
) -> None:
    for blob, content in contents:
        await registry.write_blob(name, blob, content)
    await registry.write_manifest(name, manifest)


def _blob_of_file(path: Path) -> Blob:
    return Blob(f"sha256:{hash_file(path).hexdigest()}", path.stat().st_size, LAYER_TYPE.format("model"))
