"""Which GPUs the cluster has, how they are shared, who holds what of them, and what is free."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from insula.domain import names
from insula.domain.gpu import CONFIG_LABEL, PRODUCT_LABEL, STRATEGY_LABEL, VENDOR
from insula.domain.manifests import Manifest
from insula.reconcile.devices import UNHEALTHY
from insula.services.tenancy import Cluster

OVER: Final = frozenset({"Succeeded", "Failed"})
UNTOLD: Final = "unknown"  # a label that nobody wrote


@dataclass(frozen=True)
class Holder:
    """A pod that holds shares. `tenant` is empty for a pod that is no home's; `devices` as far as the kubelet tells."""

    tenant: str
    pod: str
    count: int
    devices: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pool:
    """The shares of one resource on one node.

    Attributes:
        node: The node's name.
        resource: Such as nvidia.com/gpu.
        product: What the devices are called.
        sharing: none, time-slicing or mps, as NVIDIA's feature discovery tells.
        config: Which configuration of the device plugin the node was given.
        capacity: All shares.
        healthy: Those on devices that are well.
        holders: Who holds shares now.
    """

    node: str
    resource: str
    product: str
    sharing: str
    config: str
    capacity: int
    healthy: int
    holders: tuple[Holder, ...] = ()

    @property
    def free(self) -> int:
        """How many shares the next homes can get."""
        return max(0, self.healthy - sum(holder.count - len(holder.failed) for holder in self.holders))


async def look(cluster: Cluster) -> list[Pool]:
    """Return all pools by node and resource."""
    nodes = await cluster.list("v1", "Node")
    pods = await cluster.list("v1", "Pod") if any(list(_resources(node)) for node in nodes) else []
    return pools(nodes, pods)


def pools(nodes: Iterable[Manifest], pods: Iterable[Manifest]) -> list[Pool]:
    """Return the pools of these nodes with those pods that hold something of them."""
    placed: dict[str, list[Manifest]] = {}
    for pod in pods:
        if pod.get("status", {}).get("phase") not in OVER:
            placed.setdefault(pod["spec"].get("nodeName", ""), []).append(pod)
    found = [
        _pool(node, resource, placed.get(node["metadata"]["name"], ()))
        for node in nodes
        for resource in _resources(node)
    ]
    return sorted(found, key=lambda pool: (pool.node, pool.resource))


def _pool(node: Manifest, resource: str, pods: Sequence[Manifest]) -> Pool:
    labels, status = node["metadata"].get("labels") or {}, node["status"]
    return Pool(
        node=node["metadata"]["name"],
        resource=resource,
        product=labels.get(PRODUCT_LABEL, UNTOLD),
        sharing=labels.get(STRATEGY_LABEL, UNTOLD),
        config=labels.get(CONFIG_LABEL, ""),
        capacity=int(status["capacity"][resource]),
        healthy=int(status.get("allocatable", {}).get(resource, 0)),
        holders=tuple(holder for pod in pods if (holder := _holder(pod, resource)) is not None),
    )


def _resources(node: Manifest) -> Iterator[str]:
    yield from (name for name in node.get("status", {}).get("capacity", {}) if name.startswith(VENDOR))


def _holder(pod: Manifest, resource: str) -> Holder | None:
    asked = (each.get("resources", {}).get("requests", {}).get(resource, 0) for each in pod["spec"]["containers"])
    count = sum(int(amount) for amount in asked)
    if not count:
        return None
    metadata, health = pod["metadata"], dict(_devices(pod, resource))
    return Holder(
        tenant=(metadata.get("labels") or {}).get(names.LABEL_TENANT, ""),
        pod=f"{metadata['namespace']}/{metadata['name']}",
        count=count,
        devices=tuple(sorted(health)),
        failed=tuple(sorted(device for device, state in health.items() if state == UNHEALTHY)),
    )


def _devices(pod: Manifest, resource: str) -> Iterator[tuple[str, str]]:
    containers: Iterable[Mapping[str, Any]] = pod.get("status", {}).get("containerStatuses") or ()
    for container in containers:
        for told in container.get("allocatedResourcesStatus") or ():
            if told.get("name") == resource:
                yield from ((each["resourceID"], each.get("health", "")) for each in told.get("resources") or ())
