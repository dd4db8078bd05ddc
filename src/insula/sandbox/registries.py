"""The sandbox's registry of models: what it is called in the cluster, and where nodes and this machine find it."""

from typing import Final

from insula.sandbox.layout import NODE_NAMES, Layout

HOST: Final = "registry.insula-registry.svc.cluster.local:5000"
NODE_PORT: Final = 30500


def url(layout: Layout) -> str:
    """Return its address outside the pods' network: a port of the first node."""
    return f"http://{layout.node_address(NODE_NAMES[0])}:{NODE_PORT}"
