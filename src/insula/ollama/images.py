"""A model as an OCI image: its blobs and its manifest as a part of Ollama's store, in one layer.

The same model makes the same bytes wherever it is made: times, owners and order are fixed. A node keeps one copy of a
layer only where all layers below it are equal, too: so there is one layer, and one image for each model.
"""

import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from insula.domain.models import ModelImage
from insula.ollama.manifests import Blob, ModelManifest, digest_of
from insula.ollama.names import ModelName

# Repositories of images stand below this, beside those that Ollama itself could pull.
PREFIX: Final = "model-images"

INDEX_TYPE: Final = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar"
# Runtimes look for an image of their own processor, though weights are the same for all.
ARCHITECTURES: Final = ("amd64", "arm64")

ANNOTATION_MODEL: Final = "insula.dev/model"
ANNOTATION_DIGEST: Final = "insula.dev/model-digest"
ANNOTATION_COPY: Final = "insula.dev/copy"

FILE_MODE: Final = 0o444
# Whoever mirrors the tree by links makes the same directories, and must be able to write into them.
DIRECTORY_MODE: Final = 0o755
_ZEROS: Final = bytes(tarfile.BLOCKSIZE)


@dataclass(frozen=True)
class ImagePart:
    """A document of an image: its bytes and its descriptor."""

    content: bytes
    blob: Blob


@dataclass(frozen=True)
class ModelImageDocuments:
    """What an image is besides its layer: a config and a manifest for each processor, and the index over them."""

    configs: tuple[ImagePart, ...]
    manifests: tuple[ImagePart, ...]
    index: ImagePart


def repository(name: ModelName) -> str:
    """Return the repository of a model's image, such as `model-images/library/gemma3`."""
    return f"{PREFIX}/{name.repository}"


def layer(name: ModelName, manifest: ModelManifest, *, copy: int = 0) -> Iterator[bytes | Blob]:
    """Yield the layer's content in order: bytes as they are, and blobs where their content belongs.

    Args:
        name: The model.
        manifest: What it is made of.
        copy: Another number makes another layer of the same model, which nodes must fetch anew.
    """
    files: list[tuple[str, bytes | Blob]] = [
        (f"blobs/{blob.digest.replace(':', '-', 1)}", blob)
        for blob in sorted(manifest.blobs, key=lambda blob: blob.digest)
    ]
    files.append((str(name.manifest_path), manifest.raw))
    if copy:
        files.append((".copy", str(copy).encode()))
    seen: set[PurePosixPath] = set()
    written = 0
    for path, content in files:
        for directory in reversed(PurePosixPath(path).parents[:-1]):
            if directory not in seen:
                seen.add(directory)
                yield _header(f"{directory}/", tarfile.DIRTYPE, DIRECTORY_MODE, 0)
                written += tarfile.BLOCKSIZE
        size = content.size if isinstance(content, Blob) else len(content)
        yield _header(path, tarfile.REGTYPE, FILE_MODE, size)
        yield content
        rest = -size % tarfile.BLOCKSIZE
        yield _ZEROS[:rest]
        written += tarfile.BLOCKSIZE + size + rest
    end = 2 * tarfile.BLOCKSIZE
    yield bytes(end + -(written + end) % tarfile.RECORDSIZE)


def size_of(content: Sequence[bytes | Blob]) -> int:
    """Return the bytes that a layer takes."""
    return sum(part.size if isinstance(part, Blob) else len(part) for part in content)


def documents(name: ModelName, manifest: ModelManifest, made: Blob, *, copy: int = 0) -> ModelImageDocuments:
    """Return the documents of an image whose layer is `made`."""
    annotations = {ANNOTATION_MODEL: str(name), ANNOTATION_DIGEST: manifest.digest}
    if copy:
        annotations[ANNOTATION_COPY] = str(copy)
    configs, manifests, entries = [], [], []
    for architecture in ARCHITECTURES:
        platform = {"architecture": architecture, "os": "linux"}
        rootfs = {"type": "layers", "diff_ids": [made.digest]}
        config = _part(platform | {"config": {}, "rootfs": rootfs}, CONFIG_TYPE)
        image = _part(_document(MANIFEST_TYPE, annotations, config=config.blob, layers=[made]), MANIFEST_TYPE)
        configs.append(config)
        manifests.append(image)
        entries.append(image.blob.to_json() | {"platform": platform})
    index = _document(INDEX_TYPE, annotations) | {"manifests": entries}
    return ModelImageDocuments(tuple(configs), tuple(manifests), _part(index, INDEX_TYPE))


def named(host: str, name: ModelName, digest: str, manifest: ModelManifest) -> ModelImage:
    """Return how the platform knows a model's image: by its digest, in the registry that nodes call `host`."""
    return ModelImage(str(name), f"{host}/{repository(name)}@{digest}", manifest.digest, manifest.size)


def _document(media_type: str, annotations: dict[str, str], **more: Any) -> dict[str, Any]:
    written = {
        key: value.to_json() if isinstance(value, Blob) else [each.to_json() for each in value]
        for key, value in more.items()
    }
    return {"schemaVersion": 2, "mediaType": media_type, "annotations": annotations} | written


def _part(document: dict[str, Any], media_type: str) -> ImagePart:
    content = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    return ImagePart(content, Blob(digest_of(content), len(content), media_type))


def _header(path: str, kind: bytes, mode: int, size: int) -> bytes:
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.size = kind, mode, size
    # GNU's form holds sizes above 8 GiB in the header itself.
    return info.tobuf(tarfile.GNU_FORMAT)
