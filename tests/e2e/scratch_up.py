"""Bring the scratch sandbox up as far as a control plane without a pod network, naming each stage as it begins.

A program of its own, so that a test can kill it at any moment.
"""

import asyncio
import time

from insula.sandbox import containerd, kubeadm, nodes
from insula.sandbox.builds import catalogue, images
from insula.sandbox.builds.graph import Graph
from insula.sandbox.builds.store import Store
from insula.sandbox.installation import link_binaries
from insula.sandbox.layout import NODE_NAMES, Layout
from insula.sandbox.progress import PlainProgress

NODE = NODE_NAMES[0]
IMAGES = catalogue.control_plane_images


def begin(stage: str) -> None:
    """Name a stage for whoever reads along."""
    print(f"begins: {stage}", flush=True)


def up(layout: Layout) -> None:
    """Bring the sandbox up."""
    results = asyncio.run(Graph(Store(layout.cache), PlainProgress()).run((*catalogue.cluster_tools, *IMAGES)))
    begin("node")
    nodes.start_node(layout, NODE, link_binaries(layout, results))
    begin("images")
    built = [results[recipe.name] for recipe in IMAGES]
    containerd.import_missing(layout, NODE, {result / images.ARCHIVE: images.described(result) for result in built})
    begin("control plane")
    kubeadm.init(layout, NODE)
    begin("rest")


if __name__ == "__main__":
    started = time.monotonic()
    up(Layout.named("scratch"))
    print(f"done after {time.monotonic() - started:.1f} s", flush=True)
