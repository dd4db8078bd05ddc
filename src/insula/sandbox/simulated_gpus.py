"""Simulated GPUs for a sandbox: built, imported and started when somebody asks for them, and by nothing else."""

import asyncio
from dataclasses import dataclass
from typing import Final

from insula.domain.errors import NotFoundError, UnavailableError
from insula.domain.gpu import VENDOR
from insula.sandbox import containerd, nodes, processes, workers
from insula.sandbox.builds import images
from insula.sandbox.builds.go import GoBuild
from insula.sandbox.builds.graph import Graph
from insula.sandbox.builds.store import Store
from insula.sandbox.cluster import Cluster
from insula.sandbox.commands import CommandError
from insula.sandbox.progress import Progress

NAME: Final = "simulated-gpu"
ADDON: Final = f"on_request/{NAME}.yaml"
ADVERTISED_S: Final = 60.0
DEVICE: Final = "simulated-0"

program = GoBuild(NAME, weight_s=30).recipe()


image = images.Image(
    names=(f"{NAME}:{program.key}",),
    contents=images.programs(program.name, NAME),
    describe=NAME,
    needs=(program,),
    entrypoint=(f"/usr/local/bin/{NAME}",),
).recipe()


@dataclass(frozen=True)
class Devices:
    """What every node is to have: so many devices, each with so many shares, under one name."""

    count: int = 1
    shares: int = 2
    resource: str = f"{VENDOR}gpu"

    def to_values(self) -> dict[str, str]:
        """Return what the add-on's file names with a dollar sign."""
        return {
            "simulated_gpu": program.key,
            "gpu_resource": self.resource,
            "gpu_devices": str(self.count),
            "gpu_shares": str(self.shares),
        }


def start(cluster: Cluster, devices: Devices, progress: Progress) -> None:
    """Build what is missing, start the device plugin on all nodes, and wait until they advertise the devices.

    Raises:
        UnavailableError: A node does not advertise them.
    """
    results = asyncio.run(Graph(Store(cluster.layout.cache), progress).run((image,)))
    archive = results[image.name] / images.ARCHIVE
    for node in running(cluster):
        containerd.import_missing(cluster.layout, node, {archive: images.described(results[image.name])})
    cluster.apply(ADDON, devices.to_values())
    cluster.rolled_out(NAME, f"daemonset/{NAME}")
    wanted = devices.count * devices.shares
    if not processes.wait_until(lambda: _least(cluster, devices.resource) == wanted, ADVERTISED_S):
        raise UnavailableError(
            f"not every node advertises {wanted} {devices.resource}",
            remedy=f"kubectl -n {NAME} logs daemonset/{NAME}",
        )


def stop(cluster: Cluster) -> None:
    """Take the devices away; pods that hold one stay until somebody removes them."""
    cluster.kubectl("delete", "namespace", NAME, "--ignore-not-found", "--wait=true")


def set_health(cluster: Cluster, device: str, node: str, *, healthy: bool) -> None:
    """Let a device of a node fail, or be well again.

    Raises:
        NotFoundError: No simulated GPUs run on the node.
    """
    chosen = ("-n", NAME, "--field-selector", f"spec.nodeName={node},status.phase=Running")
    pods = cluster.get("pods", *chosen)["items"]
    if not pods:
        raise NotFoundError(f"no simulated GPUs run on {node}", remedy="run `insula sandbox gpu start`")
    words = ("heal" if healthy else "fail", device)
    cluster.kubectl("exec", "-n", NAME, pods[0]["metadata"]["name"], "--", f"/usr/local/bin/{NAME}", *words)


def running(cluster: Cluster) -> tuple[str, ...]:
    """Return the nodes that run."""
    return tuple(node for node in workers.present(cluster.layout) if nodes.is_up(cluster.layout, node))


def _least(cluster: Cluster, resource: str) -> int:
    """Return how many healthy shares the node with the fewest advertises."""
    try:
        found = cluster.get("nodes")["items"]
    except CommandError:
        return -1
    up = running(cluster)
    allocatable = [node["status"]["allocatable"] for node in found if node["metadata"]["name"] in up]
    return min((int(each.get(resource, 0)) for each in allocatable), default=-1)
