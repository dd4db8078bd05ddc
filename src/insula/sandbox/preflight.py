"""Judge whether a sandbox can run on this machine, before anything is changed or hours of building are spent."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from insula.sandbox import cgroups, machine
from insula.sandbox.layout import Layout
from insula.sandbox.machine import Machine

GIB: Final = 1 << 30

# One home with a small model in a sandbox takes about 3 GiB, the control plane 1.5 GiB.
MEMORY_NEEDED: Final = 6 * GIB
# Measured with one home: 3.6 GiB of state; 14 GiB of cache when all is built, and 11 GiB of Go's objects while it is.
STATE_DISK_NEEDED: Final = 8 * GIB
CACHE_DISK_NEEDED: Final = 26 * GIB
CACHE_RESULTS: Final = 5 * GIB  # of the 14; with so much there, nothing is left to build
# Below it the kubelet evicts pods (its threshold is 1 GiB), so less than this is not worth a start.
DISK_MINIMUM: Final = 5 * GIB

# The storage driver sets the flags of a mount before it is made; Cilium 1.20 asks for 5.10.
KERNEL_NEEDED: Final = (5, 12)

PACKAGES: Final = {"ip": "iproute2", "runc": "runc", "bash": "bash", "hostname": "hostname", "env": "coreutils"}


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    """It will run, but a person should know."""
    FAIL = "fail"
    """It will not run."""


@dataclass(frozen=True)
class Check:
    """One check: what was looked at, how it ended, what was seen, and what to do where it did not end well."""

    name: str
    verdict: Verdict
    reason: str
    remedy: str = ""


def check(layout: Layout) -> list[Check]:
    """Look at this machine and judge it; changes nothing."""
    return judge(machine.look(layout), layout)


def may_start(checks: list[Check]) -> bool:
    """Say whether no check failed."""
    return all(check.verdict is not Verdict.FAIL for check in checks)


def judge(seen: Machine, layout: Layout) -> list[Check]:
    """Judge what was seen of a machine: one check per concern, in the order in which a person would fix them."""
    return [
        _root(seen),
        _commands(seen),
        _kernel(seen),
        *_features(seen),
        _control_groups(seen),
        _memory(seen),
        *_disks(seen),
        _inotify(seen),
        _addresses(seen, layout),
        _leftovers(seen),
        _volumes(seen),
    ]


def _root(seen: Machine) -> Check:
    if seen.is_root:
        return Check("root", Verdict.OK, "we are root")
    return Check("root", Verdict.FAIL, "namespaces and mounts need root", "run the command with sudo")


def _commands(seen: Machine) -> Check:
    missing = [command for command in machine.COMMANDS if command not in seen.commands]
    if not missing:
        return Check("commands", Verdict.OK, f"all {len(machine.COMMANDS)} are there")
    packages = sorted({PACKAGES.get(command, "util-linux") for command in missing})
    remedy = f"install the packages {', '.join(packages)}"
    return Check("commands", Verdict.FAIL, f"missing: {', '.join(missing)}", remedy)


def _kernel(seen: Machine) -> Check:
    needed = ".".join(map(str, KERNEL_NEEDED))
    if kernel_version(seen.kernel) >= KERNEL_NEEDED:
        return Check("kernel", Verdict.OK, seen.kernel)
    return Check("kernel", Verdict.FAIL, f"{seen.kernel} is older than {needed}", f"boot a kernel from {needed} on")


def kernel_version(release: str) -> tuple[int, int]:
    """Return the first two numbers of a kernel's release; (0, 0) when there are none."""
    numbers = release.split(".")
    try:
        return int(numbers[0]), int(numbers[1].split("-")[0])
    except (IndexError, ValueError):
        return 0, 0


def _features(seen: Machine) -> Iterator[Check]:
    """Judge what the kernel can do, each with the setting that a kernel's builder would look for."""
    features = {
        "BPF": (seen.has_bpf, "CONFIG_BPF_SYSCALL, and not locked away by a container"),
        "BTF": (seen.has_btf, "CONFIG_DEBUG_INFO_BTF"),
        "overlay": (seen.has_overlay, "CONFIG_OVERLAY_FS, and a state directory that is not itself an overlay"),
        "nftables": (seen.has_nftables, "CONFIG_NF_TABLES (perhaps `modprobe nf_tables`)"),
        **{
            kind: (kind in seen.link_kinds, f"CONFIG_{kind.upper()} (perhaps `modprobe {kind}`)")
            for kind in machine.LINK_KINDS
        },
    }
    for name, (present, setting) in features.items():
        if present:
            yield Check(name, Verdict.OK, "tried, works")
        else:
            yield Check(name, Verdict.FAIL, "does not work here", f"needs {setting}")


def _control_groups(seen: Machine) -> Check:
    groups = seen.groups
    if groups.version is cgroups.Version.NONE:
        remedy = "mount them: `mount -t cgroup2 cgroup2 /sys/fs/cgroup`"
        return Check("control groups", Verdict.FAIL, "none are mounted at /sys/fs/cgroup", remedy)
    needed = cgroups.V2_REQUIRED if groups.version is cgroups.Version.V2 else cgroups.V1_REQUIRED
    missing = [controller for controller in needed if controller not in groups.controllers]
    if missing:
        reason = f"{groups.version}, without {', '.join(missing)}"
        return Check("control groups", Verdict.FAIL, reason, "enable them on the kernel's command line")
    return Check("control groups", Verdict.OK, str(groups.version))


def _memory(seen: Machine) -> Check:
    reason = f"{seen.memory / GIB:.1f} GiB are available"
    if seen.memory >= MEMORY_NEEDED:
        return Check("memory", Verdict.OK, reason)
    remedy = f"{MEMORY_NEEDED // GIB} GiB are needed for one home with a small model: end other programs, or add memory"
    return Check("memory", Verdict.FAIL, reason, remedy)


def _disks(seen: Machine) -> Iterator[Check]:
    to_build = int(CACHE_DISK_NEEDED * max(0.0, 1 - seen.cache_used / CACHE_RESULTS))
    if seen.same_disk:
        yield _disk("disk", seen.disk_free, STATE_DISK_NEEDED + to_build)
    else:
        yield _disk("disk of the state", seen.disk_free, STATE_DISK_NEEDED)
        yield _disk("disk of the cache", seen.cache_free, to_build)


def _disk(name: str, free: int, needed: int) -> Check:
    reason = f"{free / GIB:.0f} GiB are free"
    if free >= needed:
        return Check(name, Verdict.OK, reason)
    remedy = f"{needed // GIB} GiB are wanted: free some, or set INSULA_SANDBOX_STATE and INSULA_CACHE"
    # Less is enough when the programs are built already.
    return Check(name, Verdict.FAIL if free < DISK_MINIMUM else Verdict.WARN, reason, remedy)


def _inotify(seen: Machine) -> Check:
    reason = f"{seen.inotify_instances} instances per user"
    if seen.can_raise_settings:
        return Check("inotify", Verdict.OK, f"{reason}; raised while the sandbox runs where that is too few")
    remedy = "`sysctl fs.inotify.max_user_instances=8192`, from where /proc/sys can be written"
    return Check("inotify", Verdict.WARN, f"{reason}, and we cannot raise it", remedy)


def _addresses(seen: Machine, layout: Layout) -> Check:
    # Pods and Services live inside the nodes' own network namespaces; only the nodes' network is the machine's, too.
    foreign = [
        f"{net} by {link}" for net, link in seen.routes if net.overlaps(layout.network) and link != layout.bridge
    ]
    if not foreign:
        return Check("addresses", Verdict.OK, f"{layout.network} is free for the nodes")
    remedy = f"remove the route to {foreign[0]} while the sandbox runs (a VPN, perhaps)"
    return Check("addresses", Verdict.FAIL, f"{layout.network} is in use: {', '.join(foreign)}", remedy)


def _leftovers(seen: Machine) -> Check:
    if not seen.leftovers:
        return Check("leftovers", Verdict.OK, "no earlier sandbox left anything")
    reason = f"an earlier run left {', '.join(seen.leftovers)}"
    return Check("leftovers", Verdict.WARN, reason, "`insula sandbox up` repairs it, `insula sandbox down` removes it")


def _volumes(seen: Machine) -> Check:
    if not seen.old_volumes:
        return Check("volumes", Verdict.OK, "none from a time before nodes shared them")
    reason = "this sandbox was made by an older Insula: its volumes lie on a node, where pods would no longer find them"
    return Check("volumes", Verdict.FAIL, reason, "`insula sandbox down`, which removes them, then `up` again")
