"""The copies of a model on a node: how many there are, what they take on disk, and what of them is in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from insula.ollama.manifests import Blob
from insula.sandbox.layout import VOLUMES_INSIDE, Layout
from insula.sandbox.nodes import run_in_node

CONTAINERD: Final = "/var/lib/containerd"
SECTOR_BYTES: Final = 512


@dataclass(frozen=True)
class Copies:
    """Files with the weights of one model: their number, and their bytes on disk and in the page cache."""

    files: int
    disk_bytes: int
    cached_bytes: int


def look(layout: Layout, node: str, weights: Blob, layer_digest: str, *, volumes_alone: bool = False) -> Copies:
    """Find all copies of the weights that a node has.

    Args:
        layout: The sandbox.
        node: The node's name.
        weights: The blob.
        layer_digest: Of the image's layer: the runtime may keep it packed, too.
        volumes_alone: Whether to pass over what the container runtime has.
    """
    blob, packed = weights.digest.replace(":", "-", 1), layer_digest.partition(":")[2]
    sought = (
        [(VOLUMES_INSIDE, blob)]
        if volumes_alone
        else [(CONTAINERD, blob), (CONTAINERD, packed), (VOLUMES_INSIDE, blob)]
    )
    places = [place for root, name in sought for place in _found(layout, node, root, name)]
    # A file with several names is one file.
    files = {inode: (sectors, path) for inode, sectors, path in places}
    disk = sum(sectors for sectors, _ in files.values()) * SECTOR_BYTES
    return Copies(len(files), disk, _resident(layout, node, [path for _, path in files.values()]))


def _found(layout: Layout, node: str, root: str, name: str) -> list[tuple[str, int, str]]:
    argv = ["find", root, "-type", "f", "-name", name, "-printf", r"%D:%i %b %p\n"]
    lines = [line.split(" ", 2) for line in run_in_node(layout, node, argv).splitlines()]
    return [(inode, int(sectors), path) for inode, sectors, path in lines]


def _resident(layout: Layout, node: str, paths: Sequence[str]) -> int:
    if not paths:
        return 0
    argv = ["fincore", "--bytes", "--noheadings", "--output", "RES", *paths]
    return sum(int(line) for line in run_in_node(layout, node, argv).split())
