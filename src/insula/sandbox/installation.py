"""From a bare machine to a running platform, step by step; every step looks first and does only what is missing."""

import asyncio
import os
import shutil
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from insula.sandbox import cluster as clusters
from insula.sandbox import containerd, kubeadm, nodes, package_index, workers
from insula.sandbox.builds import catalogue, images, product
from insula.sandbox.builds.graph import Graph
from insula.sandbox.builds.recipes import Recipe, Results, closure
from insula.sandbox.builds.store import Store
from insula.sandbox.cluster import Cluster
from insula.sandbox.layout import Layout
from insula.sandbox.progress import Progress
from insula.sandbox.workers import FIRST

T = TypeVar("T")

IMPORTS_AT_ONCE: Final = 2


@dataclass
class Installation:
    """One run of `up`. `seconds` tells how long each stage took."""

    layout: Layout
    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    async def up(self, node_count: int | None = None) -> Cluster:
        """Bring the sandbox up, from whatever state it is in.

        Args:
            node_count: How many nodes it is to have; None: as many as there are, at least one.

        Raises:
            RefusedError: It has more nodes.
            InsulaError: A step failed; its message says which and what to do.
        """
        others = workers.chosen(self.layout, node_count)[1:]
        results = await self._staged("builds", self.build())
        binaries = link_binaries(self.layout, results)
        cluster = Cluster(
            self.layout,
            binaries,
            tags={name: recipe.key for name, recipe in product.tagged.items()},
            shared_model=product.read_shared_model(results),
        )
        await self._staged("node", asyncio.to_thread(nodes.start_node, self.layout, FIRST, binaries))
        package_index.start(self.layout)
        await self._staged("first images", self._import(FIRST, results, catalogue.control_plane_images))
        async with asyncio.TaskGroup() as group:
            platform_images = (*catalogue.platform_images, product.insula_image)
            group.create_task(self._staged("platform images", self._import(FIRST, results, platform_images)))
            group.create_task(self._staged("control plane", asyncio.to_thread(kubeadm.init, self.layout, FIRST)))
            for node in others:
                group.create_task(self._staged(f"{node}: images", self._prepare(node, results, binaries)))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._staged("home images", self._import(FIRST, results, product.home_images)))
            group.create_task(self._staged("add-ons", self._install(cluster, results)))
            for node in others:
                group.create_task(self._staged(f"{node}: joins", asyncio.to_thread(workers.join, cluster, node)))
        await self._staged("shared models", clusters.keep_models(cluster))
        return cluster

    def kind(self) -> str:
        """Say what kind of run this will be: cold builds all, warm starts from a full cache, others only mend."""
        if nodes.is_up(self.layout, FIRST):
            return "repair"
        store = Store(self.layout.cache)
        missing = [recipe for recipe in closure(tuple(catalogue.everything())) if not store.has(recipe)]
        if not missing:
            return "warm"
        return "cold" if catalogue.kubernetes in missing and product.home_assistant_image in missing else "partly built"

    async def build(self) -> Results:
        """Build what the cache lacks, and drop what only building needed."""
        store, recipes = Store(self.layout.cache), tuple(catalogue.everything())
        graph = Graph(store, self.progress)
        results = await graph.run(recipes)
        if graph.seconds:
            shutil.rmtree(self.layout.cache / "gocache", ignore_errors=True)
            store.prune(closure(recipes))
        return results

    async def _prepare(self, node: str, results: Results, binaries: Path) -> None:
        """Start a worker and give it all images before pods come: no registry could bring one later."""
        await asyncio.to_thread(nodes.start_node, self.layout, node, binaries)
        await self._import(node, results, (*catalogue.worker_images, *product.product_images))

    async def _import(self, node: str, results: Results, recipes: Sequence[Recipe]) -> None:
        """Import images that a node lacks, two archives at once."""
        wanted = [results[recipe.name] for recipe in recipes]
        archives = {result / images.ARCHIVE: images.described(result) for result in wanted}
        halves = (dict(list(archives.items())[start::IMPORTS_AT_ONCE]) for start in range(IMPORTS_AT_ONCE))
        async with asyncio.TaskGroup() as group:
            for half in halves:
                group.create_task(asyncio.to_thread(containerd.import_missing, self.layout, node, half))

    async def _install(self, cluster: Cluster, results: Results) -> None:
        """Install all add-ons at once: each waits for what it needs by itself."""
        cilium = results[catalogue.cilium_source.name] / "install/kubernetes/cilium"
        certificates = results[catalogue.cert_manager_chart.name]
        steps = {
            "pod network": clusters.install_network(cluster, cilium),
            "storage": clusters.install_storage(cluster),
            "ingress": clusters.install_ingress(cluster),
            "certificates": clusters.install_certificates(cluster, certificates),
            "registry": clusters.install_registry(
                cluster, product.MODEL, results[product.model.name] / product.MODEL_FILE
            ),
            "insula": clusters.install_insula(cluster, product.REPOSITORY / "charts" / "insula"),
        }
        async with asyncio.TaskGroup() as group:
            for name, step in steps.items():
                group.create_task(self._staged(name, step))

    async def _staged(self, name: str, work: Awaitable[T]) -> T:
        began = time.monotonic()
        with self.progress.step(name):
            result = await work
        self.seconds[name] = time.monotonic() - began
        return result


def link_binaries(layout: Layout, results: Results) -> Path:
    """Lay links to all programs of a node into one directory and return it."""
    directory = layout.state / "bin"
    directory.mkdir(parents=True, exist_ok=True)
    wanted = {path.name: path for name in catalogue.tool_names for path in sorted((results[name] / "bin").iterdir())}
    runc = shutil.which("runc")
    if runc:
        wanted["runc"] = Path(runc)
    for name, target in wanted.items():
        link = directory / name
        if not link.is_symlink() or link.readlink() != target:
            fresh = directory / f".{name}.{os.getpid()}"
            fresh.symlink_to(target)
            fresh.replace(link)
    return directory
