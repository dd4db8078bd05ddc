"""What preflight looks at: facts about this machine, found by trying rather than by asking for versions.

Everything that is tried happens in namespaces of its own, so that it leaves nothing behind.
"""

import ctypes
import errno
import json
import os
import platform
import shutil
import socket
import stat
import struct
import tempfile
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final

from insula.sandbox import cgroups, network, sysctls
from insula.sandbox.commands import run, succeeds
from insula.sandbox.layout import NODE_NAMES, Layout
from insula.sandbox.nodes import node_pid

COMMANDS: Final = (
    "bash",
    "env",
    "hostname",
    "ip",
    "mount",
    "nsenter",
    "pivot_root",
    "runc",
    "setsid",
    "umount",
    "unshare",
)

BPF_SYSTEM_CALL: Final = {"x86_64": 321, "aarch64": 280}
NETLINK_NETFILTER: Final = 12
NFTABLES_SUBSYSTEM: Final = 10
NFT_GET_GENERATION: Final = 16
NETLINK_ERROR: Final = 2
NETLINK_REQUEST: Final = 1
LINK_KINDS: Final = {
    "veth": "ip link add probe0 type veth peer name probe1",
    "bridge": "ip link add probe0 type bridge",
    "vxlan": "ip link add probe0 type vxlan id 1 dstport 8472 dev lo",
}


@dataclass(frozen=True)
class Machine:
    """Facts about the machine that decide whether a sandbox can run on it.

    Args:
        is_root: We may do all that root may.
        kernel: The kernel's release.
        has_bpf: The kernel runs BPF programs for us.
        has_btf: The kernel describes its types, which Cilium's programs are fitted to.
        has_overlay: An overlay can be mounted where the state directory will lie.
        has_nftables: The kernel filters packets by nftables, which kube-proxy uses.
        link_kinds: Kinds of network links that can be made, of veth, bridge and vxlan.
        groups: The control groups.
        memory: Memory that programs could get, in bytes.
        disk_free: Free bytes where the state directory will lie.
        cache_free: Free bytes where the cache will lie.
        cache_used: Bytes of results that the cache holds already.
        same_disk: State and cache lie on one disk.
        can_raise_settings: Kernel settings below /proc/sys can be written.
        inotify_instances: How many inotify instances one user may have.
        routes: Networks that the machine knows a way to, with the link they go by.
        commands: Needed commands that are there.
        leftovers: Links and control groups with the sandbox's names although no node runs.
        old_volumes: The state has volumes inside a node's own directory, where they lay before nodes shared them.
    """

    is_root: bool
    kernel: str
    has_bpf: bool
    has_btf: bool
    has_overlay: bool
    has_nftables: bool
    link_kinds: frozenset[str]
    groups: cgroups.Groups
    memory: int
    disk_free: int
    cache_free: int
    cache_used: int
    same_disk: bool
    can_raise_settings: bool
    inotify_instances: int
    routes: tuple[tuple[IPv4Network, str], ...]
    commands: frozenset[str]
    leftovers: tuple[str, ...]
    old_volumes: bool


def look(layout: Layout) -> Machine:
    """Look at this machine; takes a second at most and changes nothing."""
    state, cache = _existing(layout.state), _existing(layout.cache)
    commands = frozenset(command for command in COMMANDS if shutil.which(command, path=_search_path()))
    has_ip = "ip" in commands
    return Machine(
        is_root=os.geteuid() == 0,
        kernel=platform.release(),
        has_bpf=_has_bpf(),
        has_btf=Path("/sys/kernel/btf/vmlinux").exists(),
        has_overlay=_has_overlay(state),
        has_nftables=_has_nftables(),
        link_kinds=frozenset(kind for kind, command in LINK_KINDS.items() if _works_apart("--net", command)),
        groups=cgroups.detect(),
        memory=_available_memory(),
        disk_free=shutil.disk_usage(state).free,
        cache_free=shutil.disk_usage(cache).free,
        cache_used=_size(layout.cache / "results"),
        same_disk=state.stat().st_dev == cache.stat().st_dev,
        can_raise_settings=os.access("/proc/sys/fs/inotify/max_user_instances", os.W_OK),
        inotify_instances=int(sysctls.read("fs/inotify/max_user_instances")),
        routes=tuple(_routes()) if has_ip else (),
        commands=commands,
        leftovers=tuple(_leftovers(layout)) if has_ip else (),
        old_volumes=any((layout.node(node).root / "volumes").exists() for node in NODE_NAMES),
    )


def _size(directory: Path) -> int:
    """Return the bytes of all files below a directory, links left out; 0 if there is none."""
    statuses = (path.lstat() for path in directory.rglob("*"))
    return sum(status.st_size for status in statuses if stat.S_ISREG(status.st_mode))


def _search_path() -> str:
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def _existing(path: Path) -> Path:
    """Return the path or the nearest directory above it that exists."""
    return next(candidate for candidate in (path, *path.parents) if candidate.exists())


def _works_apart(namespaces: str, command: str) -> bool:
    return succeeds(["unshare", *namespaces.split(), "sh", "-c", command], timeout_s=10)


def _has_bpf() -> bool:
    """Ask the kernel for a BPF map of impossible size: it answers "invalid" if it has BPF and we may use it."""
    number = BPF_SYSTEM_CALL.get(platform.machine())
    if number is None:
        return True  # not known how to ask here; a later step would tell
    libc = ctypes.CDLL(None, use_errno=True)
    attributes = ctypes.create_string_buffer(64)
    libc.syscall(number, 0, attributes, 64)
    return ctypes.get_errno() == errno.EINVAL


def _has_overlay(parent: Path) -> bool:
    try:
        with tempfile.TemporaryDirectory(prefix=".insula-preflight-", dir=parent) as directory:
            for name in ("lower", "upper", "work", "merged"):
                (Path(directory) / name).mkdir()
            options = "lowerdir=lower,upperdir=upper,workdir=work"
            return _works_apart("--mount", f"cd {directory} && mount -t overlay -o {options} overlay merged")
    except OSError:
        return False


def _has_nftables() -> bool:
    """Ask nftables for its generation number, the smallest question that it answers."""
    length, sequence = 20, 1
    kind = NFTABLES_SUBSYSTEM << 8 | NFT_GET_GENERATION
    question = struct.pack("=IHHII", length, kind, NETLINK_REQUEST, sequence, 0) + struct.pack("=BBH", 0, 0, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
            netlink.settimeout(2)
            netlink.send(question)
            answer = netlink.recv(4096)
    except OSError:
        return False
    return bool(struct.unpack_from("=H", answer, 4)[0] != NETLINK_ERROR)


def _available_memory() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


def _routes() -> list[tuple[IPv4Network, str]]:
    found = json.loads(run(["ip", "-json", "-4", "route", "show"]) or "[]")
    return [(IPv4Network(route["dst"]), route.get("dev", "")) for route in found if route["dst"] != "default"]


def _leftovers(layout: Layout) -> list[str]:
    if any(node_pid(layout, node) for node in NODE_NAMES):
        return []
    links = {layout.bridge, *(layout.link(node) for node in NODE_NAMES)} & network.links().keys()
    groups = {
        str(hierarchy / layout.host_name(node))
        for hierarchy in cgroups.detect().hierarchies
        for node in NODE_NAMES
        if (hierarchy / layout.host_name(node)).exists()
    }
    return sorted(links | groups)
