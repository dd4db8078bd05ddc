"""Finds what stands around a home: the doors that a probe tries, as far as this person may see them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

from insula.domain import names
from insula.domain.errors import InsulaError
from insula.domain.manifests import Manifest
from insula.domain.platform import Platform
from insula.domain.probe_plan import Neighbour, Surroundings
from insula.reconcile import reading
from insula.render import probes

# A report stays readable, and a termination message small, whatever the cluster's size.
NEIGHBOURS: Final = 3
NODES: Final = 3
NODE_PORTS: Final = 4


class Eyes(Protocol):
    """What finding needs from Kubernetes."""

    async def list(
        self, api_version: str, kind: str, *, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        """Return the objects of a kind that bear all the labels."""


def neighbours(tenant: str, homes: Iterable[str], *, count: int = NEIGHBOURS) -> list[str]:
    """Return the homes that follow a tenant's in a ring of all: over all tenants, every home is tried by some."""
    ring = sorted(set(homes) | {tenant})
    at = ring.index(tenant)
    return (ring[at + 1 :] + ring[:at])[:count]


async def look(cluster: Eyes, tenant: str, homes: Mapping[str, str], platform: Platform) -> Surroundings:
    """Return what is around a home.

    Args:
        cluster: What this person may not see is left out.
        tenant: The home.
        homes: All homes and their identities.
        platform: The provider's settings.
    """
    own = await _pods(cluster, tenant)
    nodes = sorted(address for node in await _seen(cluster, "v1", "Node") for address in _node_addresses(node))
    return Surroundings(
        gateway=probes.gateway(platform),
        nodes=tuple(nodes[:NODES]),
        api_servers=tuple(await _api_servers(cluster)),
        node_ports=tuple([f"{nodes[0]}:{port}" for port in await _node_ports(cluster)] if nodes else ()),
        platform=tuple(await _registry(cluster, platform)),
        outside=probes.outside(platform),
        home_assistant=_address(own, names.HOME_ASSISTANT),
        ollama=_address(own, names.OLLAMA),
        neighbours=tuple([await _neighbour(cluster, each, homes[each]) for each in neighbours(tenant, homes)]),
    )


async def _neighbour(cluster: Eyes, name: str, tenant_id: str) -> Neighbour:
    pods = await _pods(cluster, name)
    return Neighbour(name, tenant_id, _address(pods, names.HOME_ASSISTANT), _address(pods, names.OLLAMA))


async def _seen(cluster: Eyes, api_version: str, kind: str, **where: Any) -> list[Manifest]:
    """Return what may be seen; who may not look at nodes still has walls to try."""
    try:
        return await cluster.list(api_version, kind, **where)
    except InsulaError:
        return []


async def _pods(cluster: Eyes, tenant: str) -> list[Manifest]:
    labels = {names.LABEL_TENANT: tenant}
    return await _seen(cluster, "v1", "Pod", namespace=names.namespace(tenant), labels=labels)


def _address(pods: Iterable[Manifest], component: str) -> str:
    """Return the address of a component's ready pod: a door that nobody holds open would prove nothing."""
    for pod in pods:
        if reading.labels(pod).get(names.LABEL_COMPONENT) == component and reading.holds(pod, "Ready"):
            return str(reading.status(pod).get("podIP", ""))
    return ""


def _node_addresses(node: Manifest) -> Iterator[str]:
    for each in node.get("status", {}).get("addresses", []):
        if each["type"] == "InternalIP":
            yield str(each["address"])
            return


async def _api_servers(cluster: Eyes) -> list[str]:
    """Return the doors behind the Service `kubernetes`, and its own."""
    where = {"namespace": "default"}
    services = await _seen(cluster, "v1", "Service", **where)
    doors = [f"{each['spec']['clusterIP']}:443" for each in services if each["metadata"]["name"] == "kubernetes"]
    labels = {"kubernetes.io/service-name": "kubernetes"}
    for each in await _seen(cluster, "discovery.k8s.io/v1", "EndpointSlice", labels=labels, **where):
        addresses = [address for point in each.get("endpoints") or () for address in point["addresses"]]
        doors += [f"{address}:{port['port']}" for address in addresses for port in each.get("ports") or ()]
    return doors[: NODES + 1]


async def _node_ports(cluster: Eyes) -> list[int]:
    found = []
    for service in await _seen(cluster, "v1", "Service"):
        ports = service.get("spec", {}).get("ports") or ()
        found += [int(port["nodePort"]) for port in ports if port.get("nodePort") and port.get("protocol") != "UDP"]
    return sorted(found)[:NODE_PORTS]


async def _registry(cluster: Eyes, platform: Platform) -> list[str]:
    """Return the doors of the model registry's pods: pull Jobs enter there, homes do not."""
    peer = platform.model_registry_pods
    if peer is None:
        return []
    doors = []
    for service in await _seen(cluster, "v1", "Service", namespace=peer.namespace):
        address = service.get("spec", {}).get("clusterIP", "None")
        if address not in ("None", ""):
            doors += [f"{address}:{port['port']}" for port in service["spec"].get("ports") or ()]
    return sorted(doors)[:NODES]
