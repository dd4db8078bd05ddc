"""Ollama's store on disk: `blobs/sha256-…` and `manifests/<host>/<namespace>/<name>/<tag>`.

A running Ollama reads it at each request, so a manifest is written last, when all its blobs are whole.
"""

import hashlib
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from insula.domain.errors import RefusedError
from insula.ollama.manifests import Blob, ModelManifest, digest_of, parse_manifest
from insula.ollama.names import STORE_HOST, ModelName

CHUNK_BYTES: Final = 1 << 20
# Room that stays free beside a model: manifests, and what Ollama itself writes.
RESERVE_BYTES: Final = 64 << 20


class Store:
    """The store below `root`, which one writer at a time may change."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def blob_path(self, digest: str) -> Path:
        """Return where the blob with this digest lies, or would."""
        return self.root / "blobs" / digest.replace(":", "-", 1)

    def partial_path(self, digest: str) -> Path:
        """Return where a blob grows; outside `blobs`, which Ollama sweeps."""
        return self.root / ".insula" / digest.replace(":", "-", 1)

    def has_blob(self, blob: Blob) -> bool:
        """Say whether the blob is here in full length; its digest was checked when it came."""
        path = self.blob_path(blob.digest)
        return path.is_file() and path.stat().st_size == blob.size

    def missing(self, manifest: ModelManifest) -> list[Blob]:
        """Return the manifest's blobs that are not here yet, in order."""
        return [blob for blob in manifest.blobs if not self.has_blob(blob)]

    def partial_size(self, digest: str) -> int:
        """Return how many bytes of a growing blob are here."""
        path = self.partial_path(digest)
        return path.stat().st_size if path.is_file() else 0

    def require_room(self, manifest: ModelManifest) -> None:
        """Check that what is missing of a model fits on the volume.

        Raises:
            RefusedError: It does not.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        need = sum(blob.size - self.partial_size(blob.digest) for blob in self.missing(manifest))
        free = shutil.disk_usage(self.root).free - RESERVE_BYTES
        if need > free:
            raise RefusedError(
                f"the models' volume has {max(free, 0) / 2**30:.1f} GiB free, {need / 2**30:.1f} GiB are needed",
                remedy="raise spec.ollama.storageGiB, or ask for a smaller model",
            )

    def accept_blob(self, blob: Blob) -> None:
        """Move a grown blob, whose digest was checked, to its place."""
        source, target = self.partial_path(blob.digest), self.blob_path(blob.digest)
        with source.open("rb") as file:
            os.fsync(file.fileno())
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)

    def write_manifest(self, name: ModelName, manifest: ModelManifest) -> None:
        """Make the model known to Ollama; all its blobs must be here."""
        target = self.root / name.manifest_path
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = self.root / ".insula" / "manifest"
        draft.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            file.write(manifest.raw)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)

    def installed(self) -> dict[ModelName, str]:
        """Return the models that Ollama would list from here, each with its digest."""
        return {name: digest_of(path.read_bytes()) for name, path in self._manifests()}

    def keep_only(self, names: Collection[ModelName]) -> list[ModelName]:
        """Remove all other models, blobs that no model uses, and what was half fetched; return the models that went.

        A running Ollama goes on with a model that it has open.
        """
        gone = [name for name in self.installed() if name not in names]
        for name in gone:
            (self.root / name.manifest_path).unlink()
        used = {
            self.blob_path(blob.digest)
            for _, path in self._manifests()
            for blob in parse_manifest(path.read_bytes()).blobs
        }
        for path in (self.root / "blobs").glob("sha256-*"):
            if path not in used:
                path.unlink()
        shutil.rmtree(self.root / ".insula", ignore_errors=True)
        return gone

    def _manifests(self) -> Iterator[tuple[ModelName, Path]]:
        base = self.root / "manifests" / STORE_HOST
        for path in sorted(base.glob("*/*/*")):
            namespace, name, tag = path.relative_to(base).parts
            yield ModelName(namespace, name, tag), path


def hash_file(path: Path) -> "hashlib._Hash":
    """Return the running SHA-256 of a file, to go on from; of nothing when there is no file."""
    running = hashlib.sha256()
    if path.is_file():
        hash_content(running, path)
    return running


def hash_content(running: "hashlib._Hash", content: bytes | Path) -> None:
    """Add bytes, or those of a file, to a running hash."""
    if isinstance(content, bytes):
        running.update(content)
        return
    with content.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            running.update(chunk)
