"""The nodes that join the first one: which there are, and how one comes, stops, returns and goes.

A node belongs to the sandbox as long as its directory exists; whether it runs is another matter. So the next `up`
brings back whatever was stopped or killed.
"""

import shutil
from datetime import datetime
from typing import Any, Final

from insula.domain.errors import NotFoundError, RefusedError, UnavailableError
from insula.reconcile import reading
from insula.sandbox import kubeadm, nodes, processes
from insula.sandbox.cluster import READY_TIMEOUT_S, Cluster
from insula.sandbox.commands import CommandError
from insula.sandbox.layout import NODE_NAMES, Layout

FIRST: Final = NODE_NAMES[0]
DRAIN_TIMEOUT_S: Final = 180  # a Home Assistant may take a minute to close its database


def present(layout: Layout) -> tuple[str, ...]:
    """Return the sandbox's nodes, whether they run or not."""
    return tuple(node for node in NODE_NAMES if layout.node(node).root.is_dir())


def chosen(layout: Layout, count: int | None) -> tuple[str, ...]:
    """Return the nodes that the sandbox is to have; the first one is always among them.

    Args:
        layout: The sandbox.
        count: How many; None: as many as there are.

    Raises:
        RefusedError: There are more than that. A node with what runs on it goes by a command of its own only.
    """
    known = present(layout)
    wanted = max(1, len(known)) if count is None else count
    if len(known) > wanted:
        commands = ", ".join(f"`insula sandbox node remove {node}`" for node in known[wanted:])
        raise RefusedError(
            f"the sandbox has {len(known)} nodes, and `up` takes none away", remedy=f"to have {wanted}: {commands}"
        )
    others = [node for node in NODE_NAMES if node not in known and node != FIRST]
    members = {FIRST, *known}
    return tuple(node for node in NODE_NAMES if node in {*members, *others[: wanted - len(members)]})


def join(cluster: Cluster, node: str) -> None:
    """Make a node that runs a worker, if it is none, and wait until it is Ready."""
    kubeadm.join(cluster.layout, node, is_known=_seen(cluster, node) is not None)
    _await_ready(cluster, node)


def stop(cluster: Cluster, node: str, *, drain: bool = False, force: bool = False) -> None:
    """Stop a node: pull its cable and kill everything on it, as a power cut would.

    Args:
        cluster: The sandbox's cluster.
        node: The node's name.
        drain: Let its pods go to other nodes first.
        force: Stop the control plane, too.

    Raises:
        RefusedError: It is the control plane.
    """
    _known(cluster.layout, node)
    if node == FIRST and not force:
        raise RefusedError(
            f"{node} is the control plane: without it nothing is rescheduled",
            remedy=f"to see what lives on without it: `insula sandbox node stop {node} --force`",
        )
    if drain:
        _drain(cluster, node)
    nodes.stop_node(cluster.layout, node, grace_s=0)


def start(cluster: Cluster, node: str) -> None:
    """Start a node that was stopped, let pods come to it again, and wait until it is Ready."""
    layout = cluster.layout
    _known(layout, node)
    nodes.start_node(layout, node, cluster.binaries)
    if node == FIRST:
        kubeadm.init(layout, node)
    else:
        join(cluster, node)
    cluster.kubectl("uncordon", node)
    _await_ready(cluster, node)


def remove(cluster: Cluster, node: str) -> None:
    """Take a worker away for good: its pods go to other nodes, then the node with all that it held."""
    layout = cluster.layout
    _known(layout, node)
    if node == FIRST:
        raise RefusedError(f"{node} is the control plane", remedy="`insula sandbox down` takes the whole sandbox down")
    if _seen(cluster, node) is not None:
        if nodes.is_up(layout, node):
            _drain(cluster, node)
            kubeadm.reset(layout, node)
        # The pods of a node that does not answer are given up by Kubernetes when the node is unknown.
        cluster.kubectl("delete", "node", node, "--wait=true")
    nodes.stop_node(layout, node, grace_s=0)
    shutil.rmtree(layout.node(node).root)


def states(cluster: Cluster) -> dict[str, str]:
    """Return how each node is, in a word: ready; stopped; not ready: it runs, and Kubernetes does not see it yet."""
    try:
        seen = {node["metadata"]["name"]: node for node in cluster.get("nodes")["items"]}
    except CommandError:
        seen = {}
    return {node: _state(cluster.layout, node, seen.get(node)) for node in present(cluster.layout)}


def _state(layout: Layout, node: str, seen: dict[str, Any] | None) -> str:
    if not nodes.is_up(layout, node):
        return "stopped"
    if seen is None or not reading.holds(seen, "Ready"):
        return "not ready"
    return "ready, closed to new pods" if seen["spec"].get("unschedulable") else "ready"


def _known(layout: Layout, node: str) -> None:
    layout.node_index(node)
    if node not in present(layout):
        raise NotFoundError(f"the sandbox has no node {node}", remedy="`insula sandbox node list` shows those it has")


def _seen(cluster: Cluster, node: str) -> dict[str, Any] | None:
    found = cluster.get("nodes", "--field-selector", f"metadata.name={node}")["items"]
    return found[0] if found else None


def _drain(cluster: Cluster, node: str) -> None:
    argv = ("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", f"--timeout={DRAIN_TIMEOUT_S}s")
    try:
        cluster.kubectl(*argv, timeout_s=DRAIN_TIMEOUT_S + 10)
    except CommandError as error:
        raise UnavailableError(
            f"not all pods left {node}: {error}", remedy="look at them, then repeat the command"
        ) from error


def _await_ready(cluster: Cluster, node: str) -> None:
    """Wait until the node is Ready in its present life: for 40 s Kubernetes says what it heard in the last one."""
    since = nodes.booted_at(cluster.layout, node)
    if not processes.wait_until(lambda: _answers(cluster, node, since), READY_TIMEOUT_S):
        logs = cluster.layout.node(node).logs
        raise UnavailableError(f"the node {node} does not become Ready", remedy=f"read the logs in {logs}")


def _answers(cluster: Cluster, node: str, since: datetime) -> bool:
    try:
        seen = cluster.get("node", node)
        heard = str(cluster.get("lease", node, "-n", "kube-node-lease")["spec"]["renewTime"])
    except CommandError:
        return False
    return reading.holds(seen, "Ready") and datetime.fromisoformat(heard) >= since
