"""Where a sandbox lives on this machine: its directories, names and addresses.

All other modules of the sandbox ask here, so that two sandboxes (the one for people and a scratch one for tests) can
run side by side and tear-down knows every name that start-up may have used.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Final

from insula.domain.errors import UsageError

NODE_NAMES: Final = ("n1", "n2", "n3")
STATE_VARIABLE: Final = "INSULA_SANDBOX_STATE"
CACHE_VARIABLE: Final = "INSULA_CACHE"

# A sandbox's place in this list makes its bridge and addresses, so the order is part of the names on the machine.
SANDBOX_NAMES: Final = ("sandbox", "scratch")

# The first node gets .11: the bridge has .1 and the rest is kept for what a person adds to the bridge by hand.
FIRST_NODE_HOST: Final = 11

API_SERVER_PORT: Final = 6443

# Where the nodes see the directory of all persistent volumes.
VOLUMES_INSIDE: Final = "/var/lib/insula/volumes"


@dataclass(frozen=True)
class NodePaths:
    """The directories of one node on the host, each mounted at its usual place inside the node.

    Args:
        root: The node's own directory; everything below belongs to the node and goes with it.
    """

    root: Path

    @property
    def mounts(self) -> Mapping[str, Path]:
        """Where the node sees which host directory: mount point inside → directory outside."""
        return {
            "/etc/kubernetes": self.root / "kubernetes",
            "/etc/cni/net.d": self.root / "cni",
            "/opt/cni/bin": self.root / "cnibin",
            "/var/lib/cni": self.root / "cnistate",
            "/var/lib/containerd": self.root / "containerd",
            "/var/lib/etcd": self.root / "etcd",
            "/var/lib/kubelet": self.root / "kubelet",
            "/var/log/containers": self.root / "logctr",
            "/var/log/pods": self.root / "logpods",
            "/var/log/kubernetes": self.root / "logkube",
        }

    @property
    def kubernetes(self) -> Path:
        """What the node sees as /etc/kubernetes."""
        return self.root / "kubernetes"

    @property
    def audit_log(self) -> Path:
        """The API server's audit log (level Metadata), one JSON object a line."""
        return self.root / "logkube" / "audit.log"

    @property
    def logs(self) -> Path:
        """The logs of the node's own programs: containerd.log, kubelet.log, init.log, systemctl.log, kubeadm.log."""
        return self.root / "logs"

    @property
    def etc(self) -> Path:
        """Files that the node sees in place of the host's: hosts, resolv.conf, hostname, and containerd's settings."""
        return self.root / "etc"


@dataclass(frozen=True)
class Layout:
    """The names and addresses of one sandbox.

    Args:
        name: The sandbox's name: part of each name on the machine that is not below `state`.
        state: Everything that the sandbox keeps, but the build cache; removed by tear-down.
        cache: Built programs and images; shared by all sandboxes and kept by tear-down.
        bridge: The bridge in the machine's own network namespace that the nodes hang on.
        network: The nodes' network; the bridge holds its first address.
        pod_cidr: Addresses of pods.
        service_cidr: Addresses of Services; must not contain `network`, or kube-proxy drops traffic between nodes.
        domain: The domain below which homes are served.
    """

    name: str
    state: Path
    cache: Path
    bridge: str
    network: IPv4Network
    pod_cidr: IPv4Network
    service_cidr: IPv4Network
    domain: str = "insula.test"

    @classmethod
    def default(cls, environment: Mapping[str, str] = os.environ) -> "Layout":
        """Return the sandbox for people, its state moved by INSULA_SANDBOX_STATE and its cache by INSULA_CACHE."""
        return cls.named(SANDBOX_NAMES[0], environment)

    @classmethod
    def named(cls, name: str, environment: Mapping[str, str] = os.environ) -> "Layout":
        """Return the sandbox of that name; all of them can run beside each other.

        Raises:
            UsageError: There is no sandbox of that name.
        """
        if name not in SANDBOX_NAMES:
            raise UsageError(f"there is no sandbox named {name!r}", remedy=f"choose one of: {', '.join(SANDBOX_NAMES)}")
        index = SANDBOX_NAMES.index(name)
        state = Path("/var/lib/insula") / name
        if index == 0:
            state = Path(environment.get(STATE_VARIABLE) or state)
        return cls(
            name=name,
            state=state,
            cache=Path(environment.get(CACHE_VARIABLE) or "/var/cache/insula"),
            bridge=f"insula{index}",
            network=IPv4Network(f"10.{99 - index}.0.0/24"),
            pod_cidr=IPv4Network(f"10.{244 + index}.0.0/16"),
            service_cidr=IPv4Network(f"10.{96 - 2 * index}.0.0/16"),
        )

    def neighbours(self, environment: Mapping[str, str] = os.environ) -> list["Layout"]:
        """Return the other sandboxes that this machine may have."""
        return [Layout.named(name, environment) for name in SANDBOX_NAMES if name != self.name]

    @property
    def bridge_address(self) -> IPv4Address:
        """The machine's own address on the bridge, the nodes' default gateway."""
        return self.network[1]

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig (mode 0600)."""
        return self.state / "kubeconfig"

    @property
    def volumes(self) -> Path:
        """All persistent volumes. Every node sees it as VOLUMES_INSIDE, so that a volume is on no node and on all."""
        return self.state / "volumes"

    @property
    def journal(self) -> Path:
        """What this sandbox has changed on the machine, written before each change."""
        return self.state / "journal.json"

    @property
    def api_server(self) -> str:
        """The API server's address as clients on this machine use it."""
        return f"https://{self.node_address(NODE_NAMES[0])}:{API_SERVER_PORT}"

    @property
    def cluster_dns(self) -> IPv4Address:
        """The address of the cluster's DNS Service."""
        return self.service_cidr[10]

    def node_index(self, node: str) -> int:
        """Return the node's place, from 0.

        Raises:
            UsageError: The sandbox has no node of that name.
        """
        if node not in NODE_NAMES:
            raise UsageError(f"there is no node named {node!r}", remedy=f"choose one of: {', '.join(NODE_NAMES)}")
        return NODE_NAMES.index(node)

    def node_address(self, node: str) -> IPv4Address:
        """Return the node's address on the bridge."""
        return self.network[FIRST_NODE_HOST + self.node_index(node)]

    def node(self, node: str) -> NodePaths:
        """Return the node's directories; they need not exist."""
        self.node_index(node)
        return NodePaths(self.state / "nodes" / node)

    def host_name(self, node: str) -> str:
        """Return the one name under which a node appears on the machine: its network namespace and its cgroup."""
        self.node_index(node)
        prefix = "insula" if self.name == SANDBOX_NAMES[0] else f"insula-{self.name}"
        return f"{prefix}-{node}"

    def link(self, node: str) -> str:
        """Return the name of the node's cable on the machine's side (at most 15 characters, a limit of Linux)."""
        self.node_index(node)
        return f"{self.bridge}-{node}"

    def owns(self, host_name: str) -> bool:
        """Say whether a network namespace or cgroup of that name is one of this sandbox's nodes."""
        names = "|".join(re.escape(self.host_name(node)) for node in NODE_NAMES)
        return re.fullmatch(names, host_name) is not None
