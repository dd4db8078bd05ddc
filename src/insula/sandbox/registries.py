"""Where nodes and this machine find the sandbox's registry of models."""

from typing import Final

from insula.sandbox.layout import NODE_NAMES, Layout

NODE_PORT: Final = 30500


def url(layout: Layout) -> str:
    """Return its address outside the pods' network: a port of the first node."""
    return f"http://{layout.node_address(NODE_NAMES[0])}:{NODE_PORT}"
