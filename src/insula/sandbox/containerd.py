"""The images of a node's container runtime: what is there, and putting archives in."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from insula.sandbox.layout import Layout
from insula.sandbox.nodes import run_in_node

# A kubelet that runs short of disk deletes images that no container uses, and no registry could bring these back.
PIN_LABEL: Final = "io.cri-containerd.pinned=pinned"
IMPORT_TIMEOUT_S: Final = 600.0  # the largest archive has 1.5 GB; a slow disk under load writes 10 MB/s
CTR: Final = ("ctr", "--namespace", "k8s.io")


def images(layout: Layout, node: str) -> Mapping[str, str]:
    """Return the images that the node has: name → digest of the manifest (`sha256:…`)."""
    lines = run_in_node(layout, node, [*CTR, "images", "list"]).splitlines()[1:]
    return {name: digest for name, _, digest, *_ in (line.split() for line in lines if line)}


def import_archive(layout: Layout, node: str, archive: Path) -> None:
    """Import an image archive into the node; its images are pinned, so that the kubelet never deletes them.

    Layers are kept unpacked only: the archive stays in the cache, and half the disk is saved.

    Raises:
        UnavailableError: The node does not run.
        CommandError: The archive is not whole or the disk is full.
    """
    with archive.open("rb") as content:
        run_in_node(
            layout,
            node,
            [*CTR, "images", "import", "--local", "--discard-unpacked-layers", "--label", PIN_LABEL, "-"],
            timeout_s=IMPORT_TIMEOUT_S,
            stdin=content,
        )


def import_missing(layout: Layout, node: str, archives: Mapping[Path, tuple[Sequence[str], str]]) -> list[Path]:
    """Import those archives whose images the node lacks or has with another content.

    Args:
        layout: The sandbox.
        node: The node's name.
        archives: Archive → the image names in it, and the digest that they have; an empty digest where the names
            themselves change with the content.

    Returns:
        The archives that were imported.
    """
    present = images(layout, node)
    imported = []
    for archive, (names, digest) in archives.items():
        if any(name not in present or (digest and present[name] != digest) for name in names):
            import_archive(layout, node, archive)
            imported.append(archive)
    return imported
