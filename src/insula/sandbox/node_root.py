"""What a node sees as its root: the machine's programs read-only, its own directories, and nothing else of the machine.

A node can therefore leave nothing on the machine outside its own directory, whatever its pods write to which host path.
The plan is made here and carried out by node_init.sh inside the node's mount namespace.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from insula.domain.errors import NotFoundError
from insula.domain.models import REGISTRY_HOST
from insula.sandbox import containerd_settings, registries
from insula.sandbox.layout import NODE_NAMES, VOLUMES_INSIDE, Layout, NodePaths

HERE: Final = Path(__file__).parent

PROGRAMS: Final = ("containerd", "containerd-shim-runc-v2", "ctr", "kubeadm", "kubectl", "kubelet")
OPTIONAL_PROGRAMS: Final = ("runc",)  # else the machine's own
SYSTEM_DIRECTORIES: Final = ("bin", "lib", "lib32", "lib64", "libx32", "sbin", "usr")

# Files of the machine's /etc that programs and pods with host paths read. Links are followed: copies never dangle.
COPIED: Final = ("group", "ld.so.cache", "localtime", "nsswitch.conf", "os-release", "passwd", "protocols", "services")
SEEN: Final = ("alternatives", "ca-certificates", "iproute2", "ssl")

# The kubelet and Cilium want these settings of the whole machine changed. They are fine as they are for a sandbox, so
# both are shown what they want to see. Cilium looks here only when its pods mount the node's /proc/sys/kernel and it is
# told so (`procfs`); else it locks unprivileged BPF until the next boot. Path below /proc/sys → value.
PRETENDED: Final = {
    "kernel/keys/root_maxbytes": "25000000",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/timer_migration": "0",
    "kernel/unprivileged_bpf_disabled": "1",
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
}


@dataclass(frozen=True)
class Step:
    """One line of the plan; the kinds are those that node_init.sh knows."""

    kind: str
    target: str
    source: str = "-"

    def __str__(self) -> str:
        return f"{self.kind}\t{self.target}\t{self.source}"


def prepare(layout: Layout, node: str, binaries: Path) -> None:
    """Write the node's own files and the plan of its root into the node's directory.

    Raises:
        NotFoundError: A program is missing in `binaries`.
    """
    paths = layout.node(node)
    for private in (paths.root.parent, layout.volumes):  # keys of the cluster and people's data lie below
        private.mkdir(mode=0o700, parents=True, exist_ok=True)
    for directory in (paths.etc, paths.logs, *paths.mounts.values()):
        directory.mkdir(parents=True, exist_ok=True)
    _write_settings(layout, node, paths)
    plan = [*_machine(paths), *_etc(paths), *_programs(binaries), *_own(paths), *_shared(layout)]
    (paths.etc / "plan").write_text("".join(f"{step}\n" for step in plan))


def _write_settings(layout: Layout, node: str, paths: NodePaths) -> None:
    etc = paths.etc
    (etc / "hostname").write_text(f"{node}\n")
    hosts = [f"{layout.node_address(name)} {name}" for name in NODE_NAMES]
    (etc / "hosts").write_text("\n".join(["127.0.0.1 localhost", "::1 localhost", *hosts, ""]))
    # Nobody answers there, and says so at once. A node has no way to the machine's own name servers: CoreDNS would ask
    # them for every outside name and wait until its time is up.
    (etc / "resolv.conf").write_text(f"nameserver {layout.bridge_address}\n")
    (etc / "config.toml").write_text(containerd_settings.render())
    # The registry has a name in the cluster's DNS, which a node does not ask.
    (etc / "hosts.toml").write_text(containerd_settings.render_registry(registries.url(layout)))
    machine_id = etc / "machine-id"
    if not machine_id.exists():
        machine_id.write_text(f"{secrets.token_hex(16)}\n")
    pretended = etc / "sys"
    for key, value in PRETENDED.items():
        file = pretended / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n")


def _machine(paths: NodePaths) -> Iterator[Step]:
    """What comes from the machine: programs read-only, devices, control groups."""
    for name in SYSTEM_DIRECTORIES:
        path = Path("/") / name
        if path.is_symlink():
            yield Step("link", f"/{name}", str(path.readlink()))
        elif path.is_dir():
            yield _read_only(path, paths)
    yield Step("proc", "/proc")
    yield Step("sysfs", "/sys")
    yield Step("tree", "/sys/fs/cgroup", "/sys/fs/cgroup")
    yield Step("bpf", "/sys/fs/bpf")
    yield Step("tree", "/dev", "/dev")
    yield Step("tmpfs", "/run", "755")
    yield Step("tmpfs", "/tmp", "1777")  # noqa: S108  # the node's, not the machine's
    yield Step("cgroup2", "/run/cilium/cgroupv2")  # one for all programs; Cilium wants a mount point of its own
    for directory in ("/root", "/run/lock", "/run/netns", "/mnt", "/home", "/srv", "/var/cache"):
        yield Step("directory", directory)
    yield Step("link", "/var/run", "/run")
    yield Step("link", "/var/lock", "/run/lock")


def _read_only(path: Path, paths: NodePaths) -> Step:
    """Show a directory of the machine, with a place for kernel modules where the machine has none.

    kube-proxy and Cilium mount /lib/modules. Where it is missing the container runtime makes it, which it cannot do
    below a read-only /usr.
    """
    modules = Path("/lib/modules")
    if modules.exists() or not modules.parent.resolve().is_relative_to(path):
        return Step("read-only", str(path), str(path))
    addition = paths.etc / "additions" / path.name
    (addition / modules.parent.resolve().relative_to(path) / modules.name).mkdir(parents=True, exist_ok=True)
    return Step("overlay", str(path), f"{addition}:{path}")


def _etc(paths: NodePaths) -> Iterator[Step]:
    for name in COPIED:
        if (Path("/etc") / name).exists():
            yield Step("copy", f"/etc/{name}", f"/etc/{name}")
    for name in SEEN:
        if (Path("/etc") / name).is_dir():
            yield Step("read-only", f"/etc/{name}", f"/etc/{name}")
    for name in ("hostname", "hosts", "machine-id", "resolv.conf"):
        yield Step("copy", f"/etc/{name}", str(paths.etc / name))
    yield Step("copy", "/etc/containerd/config.toml", str(paths.etc / "config.toml"))
    registry = f"{containerd_settings.REGISTRIES}/{REGISTRY_HOST}/hosts.toml"
    yield Step("copy", registry, str(paths.etc / "hosts.toml"))
    yield Step("link", "/etc/mtab", "/proc/mounts")
    for key in PRETENDED:
        if (Path("/proc/sys") / key).exists():
            yield Step("bind", f"/proc/sys/{key}", str(paths.etc / "sys" / key))


def _programs(binaries: Path) -> Iterator[Step]:
    yield Step("program", "/opt/insula/node_init.sh", str(HERE / "node_init.sh"))
    yield Step("program", "/opt/insula/sbin/systemctl", str(HERE / "systemctl"))
    placed: set[Path] = set()  # one program may go by several names
    for name in (*PROGRAMS, *OPTIONAL_PROGRAMS):
        link = binaries / name
        if not link.exists():
            if name in PROGRAMS:
                raise NotFoundError(f"the program {name} is missing in {binaries}", remedy="run `insula sandbox build`")
            continue
        program = link.resolve()
        if program not in placed:
            placed.add(program)
            yield Step("read-only", f"/opt/insula/programs/{program.name}", str(program))
        yield Step("link", f"/opt/insula/bin/{name}", f"../programs/{program.name}")


def _own(paths: NodePaths) -> Iterator[Step]:
    for target, source in paths.mounts.items():
        yield Step("bind", target, str(source))
    yield Step("bind", "/var/log/insula", str(paths.logs))


def _shared(layout: Layout) -> Iterator[Step]:
    """What all nodes see, as machines would that hang on one storage network."""
    yield Step("bind", VOLUMES_INSIDE, str(layout.volumes))
