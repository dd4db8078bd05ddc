"""Container images written without a builder: layers from files, and OCI archives that containerd imports.

The same content gives the same bytes on every machine (order, owner, mode and time are fixed), so a digest says whether
an image must be made or imported again.
"""

import hashlib
import io
import json
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar"
CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE: Final = "application/vnd.oci.image.index.v1+json"
NAME_ANNOTATION: Final = "io.containerd.image.name"  # containerd's import names the image by this

ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
COPY_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class File:
    """One file in a layer: copied from a path (links followed), or given as bytes."""

    target: str
    source: Path | bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class Directory:
    """One directory in a layer; parents of files need not be named."""

    target: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class Link:
    """One symbolic link in a layer."""

    target: str
    to: str


@dataclass(frozen=True)
class Tree:
    """Everything below a directory, with its owners and modes.

    Args:
        source: The directory; it becomes `target` in the image.
        exclude: Paths relative to `source` that are left out with all below them.
        numeric_owner: Owner and group of everything, or None for those on disk.
    """

    source: Path
    target: str = "/"
    exclude: frozenset[str] = frozenset()
    numeric_owner: tuple[int, int] | None = None


Entry = File | Directory | Link | Tree


@dataclass(frozen=True)
class Layer:
    """One layer's tar on disk, with its digest (`sha256:…`) and size in bytes."""

    path: Path
    digest: str
    size: int


@dataclass(frozen=True)
class ImageConfig:
    """How a container of the image starts when its pod does not say otherwise.

    Args:
        user: `UID` or `UID:GID`; empty for root.
    """

    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    working_directory: str = "/"
    labels: Mapping[str, str] = field(default_factory=dict)


def write_layer(target: Path, entries: Iterable[Entry]) -> Layer:
    """Write a layer's tar to `target` and return it; an interrupted write leaves no file of that name."""
    with _replacing(target) as raw:
        hashing = _Hashing(raw)
        with tarfile.open(fileobj=hashing, mode="w|", format=tarfile.PAX_FORMAT, bufsize=COPY_BYTES) as tar:
            for entry in entries:
                _add(tar, entry)
    return Layer(path=target, digest=hashing.digest, size=hashing.size)


def read_layer(path: Path) -> Layer:
    """Return the layer whose tar was written earlier, measured again."""
    with path.open("rb") as tar:
        digest = hashlib.file_digest(tar, "sha256").hexdigest()
    return Layer(path=path, digest=f"sha256:{digest}", size=path.stat().st_size)


def image_digest(layers: Sequence[Layer], config: ImageConfig) -> str:
    """Return the digest (`sha256:…`) of the image's manifest: it depends on the content alone, not on the names."""
    manifest, _ = _manifest(layers, config)
    return _digest(manifest)


def write_archive(target: Path, names: Sequence[str], layers: Sequence[Layer], config: ImageConfig) -> str:
    """Write an OCI archive that `ctr images import` reads.

    Args:
        target: The archive's path; an interrupted write leaves no file of that name.
        names: Full image names with their tags, such as `localhost/insula/pause:1`; all name the same image.
        layers: From the lowest to the uppermost.
        config: How a container of the image starts.

    Returns:
        The digest of the image's manifest.
    """
    manifest, image = _manifest(layers, config)
    descriptor = _descriptor(MANIFEST_TYPE, manifest)
    index = _json(
        {
            "schemaVersion": 2,
            "mediaType": INDEX_TYPE,
            "manifests": [{**descriptor, "annotations": {NAME_ANNOTATION: name}} for name in names],
        }
    )
    with _replacing(target) as raw, tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, File("oci-layout", _json({"imageLayoutVersion": "1.0.0"})))
        _add(tar, File("index.json", index))
        for blob in (manifest, image):
            _add(tar, File(_blob_path(_digest(blob)), blob))
        for layer in {layer.digest: layer for layer in layers}.values():
            _add(tar, File(_blob_path(layer.digest), layer.path))
    return _digest(manifest)


def _manifest(layers: Sequence[Layer], config: ImageConfig) -> tuple[bytes, bytes]:
    """Return an image's manifest and its config, as they are stored."""
    settings = {
        "User": config.user,
        "Env": [f"{name}={value}" for name, value in sorted(config.environment.items())],
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.command),
        "WorkingDir": config.working_directory,
        "Labels": dict(config.labels),
    }
    image = _json(
        {
            "architecture": ARCHITECTURES.get(os.uname().machine, os.uname().machine),
            "os": "linux",
            "config": {key: value for key, value in settings.items() if value},
            "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": _descriptor(CONFIG_TYPE, image),
            "layers": [{"mediaType": LAYER_TYPE, "digest": layer.digest, "size": layer.size} for layer in layers],
        }
    )
    return manifest, image


def _add(tar: tarfile.TarFile, entry: Entry) -> None:
    match entry:
        case File(source=bytes() as content):
            info = _info(entry.target, tarfile.REGTYPE, entry.mode, (entry.uid, entry.gid))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        case File(source=Path() as path):
            info = _info(entry.target, tarfile.REGTYPE, entry.mode, (entry.uid, entry.gid))
            info.size = path.stat().st_size
            with path.open("rb") as content_file:
                tar.addfile(info, content_file)
        case Directory():
            tar.addfile(_info(entry.target, tarfile.DIRTYPE, entry.mode, (entry.uid, entry.gid)))
        case Link():
            info = _info(entry.target, tarfile.SYMTYPE, 0o777, (0, 0))
            info.linkname = entry.to
            tar.addfile(info)
        case Tree():
            _add_tree(tar, entry)


def _add_tree(tar: tarfile.TarFile, tree: Tree) -> None:
    first_names: dict[tuple[int, int], str] = {}  # of files with several hard links, by device and inode
    for path in _walk(tree.source, tree.source, tree.exclude):
        status = path.lstat()
        name = f"{tree.target.rstrip('/')}/{path.relative_to(tree.source)}"
        owner = tree.numeric_owner or (status.st_uid, status.st_gid)
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISLNK(status.st_mode):
            info = _info(name, tarfile.SYMTYPE, 0o777, owner)
            info.linkname = str(path.readlink())
            tar.addfile(info)
        elif stat.S_ISDIR(status.st_mode):
            tar.addfile(_info(name, tarfile.DIRTYPE, mode, owner))
        elif stat.S_ISREG(status.st_mode):
            key = (status.st_dev, status.st_ino)
            if status.st_nlink > 1 and key in first_names:
                info = _info(name, tarfile.LNKTYPE, mode, owner)
                info.linkname = first_names[key].lstrip("/")
                tar.addfile(info)
            else:
                first_names[key] = name
                _add(tar, File(name, path, mode, *owner))
        # Devices, sockets and pipes are the container runtime's business, so they stay out.


def _walk(root: Path, directory: Path, exclude: frozenset[str]) -> Iterator[Path]:
    """Yield what lies below a directory, sorted, each directory before its content."""
    for path in sorted(directory.iterdir(), key=lambda path: path.name):
        if str(path.relative_to(root)) in exclude:
            continue
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(root, path, exclude)


def _info(target: str, kind: bytes, mode: int, owner: tuple[int, int]) -> tarfile.TarInfo:
    info = tarfile.TarInfo(target.lstrip("/"))
    info.type, info.mode, info.mtime = kind, mode, 0
    info.uid, info.gid = owner
    return info


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _descriptor(media_type: str, blob: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}


def _blob_path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


@contextmanager
def _replacing(target: Path) -> Iterator[BinaryIO]:
    """Open a file beside `target` and put it in its place once it is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


class _Hashing(io.RawIOBase):
    """A write-only file that passes on what it gets, and measures it."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # tarfile writes bytes only
        self._hash.update(data)
        self.size += len(data)
        return self._target.write(data)
