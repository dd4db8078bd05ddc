"""A model's manifest: which blobs make it. It is a Docker image manifest with Ollama's own media types."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from insula.domain.errors import RefusedError

MANIFEST_TYPE: Final = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE: Final = "application/vnd.docker.container.image.v1+json"
LAYER_TYPE: Final = "application/vnd.ollama.image.{}"  # model, template, params, system, license

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Blob:
    """One file of a model: its digest (`sha256:…`), its size in bytes and what it is."""

    digest: str
    size: int
    media_type: str

    def to_json(self) -> dict[str, str | int]:
        """Return the descriptor as a manifest holds it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


@dataclass(frozen=True)
class ModelManifest:
    """A manifest: its bytes as the registry gave them, which its digest covers, and the blobs that it names."""

    raw: bytes
    config: Blob
    layers: tuple[Blob, ...]

    @property
    def digest(self) -> str:
        """The model's digest, the one that Ollama lists."""
        return digest_of(self.raw)

    @property
    def blobs(self) -> Iterator[Blob]:
        """Every blob once."""
        return iter({blob.digest: blob for blob in (*self.layers, self.config)}.values())

    @property
    def size(self) -> int:
        """All blobs together, in bytes."""
        return sum(blob.size for blob in self.blobs)


def digest_of(content: bytes) -> str:
    """Return the digest of `content` as registries write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def parse_manifest(raw: bytes) -> ModelManifest:
    """Return the manifest in `raw`.

    Raises:
        RefusedError: It is no manifest of a model.
    """
    try:
        content = json.loads(raw)
        return ModelManifest(raw, _blob(content["config"]), tuple(map(_blob, content["layers"])))
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError("the registry's answer is no model manifest", remedy="check the registry's URL") from error


def build_manifest(config: Blob, layers: tuple[Blob, ...]) -> ModelManifest:
    """Return the manifest of a model made of `config` and `layers`."""
    content = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config.to_json(),
        "layers": [layer.to_json() for layer in layers],
    }
    return ModelManifest(json.dumps(content, separators=(",", ":")).encode(), config, layers)


def _blob(content: Mapping[str, Any]) -> Blob:
    digest, size = content["digest"], int(content["size"])
    # The digest becomes a file's name: nothing but a digest may pass.
    if not _DIGEST.fullmatch(digest) or size < 0:
        raise ValueError(digest)
    return Blob(digest, size, str(content["mediaType"]))
