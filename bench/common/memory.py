"""What pods keep in memory, as the kubelets count it."""

from typing import Final

from insula.domain.manifests import Manifest
from insula.kube import kinds
from insula.kube.client import Client
from insula.kube.requests import Request

MIB: Final = 1024 * 1024


async def rss_mib(client: Client, namespace: str, prefix: str = "") -> dict[str, float]:
    """Return the resident memory in MiB of each pod of a namespace whose name begins with `prefix`.

    The working set stands in where the kubelet does not tell the resident set.
    """
    nodes = await client.list(kinds.of("v1", "Node"))
    found: dict[str, float] = {}
    for node in nodes.items:
        path = f"/api/v1/nodes/{node['metadata']['name']}/proxy/stats/summary"
        summary = await client.json(Request("get", "nodes", "GET", path))
        for pod in summary.get("pods", []):
            place = pod["podRef"]
            if place["namespace"] == namespace and place["name"].startswith(prefix):
                found[place["name"]] = sum(map(_bytes, pod.get("containers", []))) / MIB
    return found


def _bytes(container: Manifest) -> int:
    memory = container.get("memory", {})
    return int(memory.get("rssBytes") or memory.get("workingSetBytes") or 0)
