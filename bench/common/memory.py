"""What pods keep in memory, as the kubelets count it."""

from typing import Final

from insula.domain.manifests import Manifest
from insula.kube import kinds
from insula.kube.client import Client
from insula.kube.requests import Request

MIB: Final = 1024 * 1024


async def resident_mib(client: Client, namespace: str, prefix: str = "") -> dict[str, float]:
    """Return the resident memory in MiB of each pod of a namespace whose name begins with `prefix`."""
    return await _each(client, namespace, prefix, "rssBytes")


async def working_set_mib(client: Client, namespace: str) -> dict[str, float]:
    """Return what counts against its limit, in MiB, for each pod of a namespace: files in use belong to it."""
    return await _each(client, namespace, "", "workingSetBytes")


async def _each(client: Client, namespace: str, prefix: str, field: str) -> dict[str, float]:
    nodes = await client.list(kinds.of("v1", "Node"))
    found: dict[str, float] = {}
    for node in nodes.items:
        path = f"/api/v1/nodes/{node['metadata']['name']}/proxy/stats/summary"
        summary = await client.json(Request("get", "nodes", "GET", path))
        for pod in summary.get("pods", []):
            place = pod["podRef"]
            if place["namespace"] == namespace and place["name"].startswith(prefix):
                found[place["name"]] = sum(_bytes(container, field) for container in pod.get("containers", [])) / MIB
    return found


def _bytes(container: Manifest, field: str) -> int:
    return int(container.get("memory", {}).get(field, 0))
