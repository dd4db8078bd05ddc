"""The cables of a sandbox: a bridge on the machine, and one pair of virtual Ethernet ends per node.

A node's network namespace belongs to its first process alone and has no name on the machine: it goes when the process
goes. Only the bridge and the machine's ends of the cables must be removed by hand.
"""

import json
from typing import Any, Final

from insula.sandbox.commands import CommandError, run
from insula.sandbox.layout import Layout

NODE_INTERFACE: Final = "eth0"


def links() -> dict[str, dict[str, Any]]:
    """Return the links in the machine's own network namespace, by name, as `ip -json link` tells them."""
    return {link["ifname"]: link for link in json.loads(run(["ip", "-json", "link", "show"]) or "[]")}


def make_bridge(layout: Layout) -> None:
    """Make the sandbox's bridge with its address; harmless when it is there."""
    if layout.bridge not in links():
        run(["ip", "link", "add", layout.bridge, "type", "bridge"])
    address = f"{layout.bridge_address}/{layout.network.prefixlen}"
    run(["ip", "address", "replace", address, "dev", layout.bridge])
    run(["ip", "link", "set", layout.bridge, "up"])


def connect(layout: Layout, node: str, pid: int) -> None:
    """Give the node whose first process is `pid` its cable, address and default route.

    A cable of an earlier life of the node is replaced.
    """
    disconnect(layout, node)
    cable = layout.link(node)
    run(["ip", "link", "add", cable, "type", "veth", "peer", "name", NODE_INTERFACE, "netns", str(pid)])
    run(["ip", "link", "set", cable, "master", layout.bridge, "up"])
    inside = ["nsenter", "--target", str(pid), "--net", "ip"]
    address = f"{layout.node_address(node)}/{layout.network.prefixlen}"
    run([*inside, "link", "set", "lo", "up"])
    run([*inside, "address", "add", address, "dev", NODE_INTERFACE])
    run([*inside, "link", "set", NODE_INTERFACE, "up"])
    run([*inside, "route", "add", "default", "via", str(layout.bridge_address)])


def disconnect(layout: Layout, node: str) -> None:
    """Pull the node's cable; harmless when there is none.

    The cable is removed by name, since orphaned TCP sockets can keep a dead node's namespace, and with it the cable,
    alive for minutes.
    """
    _delete(layout.link(node))


def remove_bridge(layout: Layout) -> None:
    """Remove the sandbox's bridge; harmless when there is none."""
    _delete(layout.bridge)


def _delete(link: str) -> None:
    """Delete a link; one whose namespace ends just now may go by itself meanwhile."""
    if link not in links():
        return
    try:
        run(["ip", "link", "delete", link])
    except CommandError:
        if link in links():
            raise
