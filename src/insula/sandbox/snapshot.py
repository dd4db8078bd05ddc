"""A picture of what a sandbox could leave on the machine, and the differences between two of them.

Used by tests of tear-down, and by whoever wants to see for themselves.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from insula.sandbox import cgroups
from insula.sandbox.commands import CommandError, run
from insula.sandbox.layout import NODE_NAMES, Layout

# Kernel settings that something in a sandbox may want to change, by file or directory below /proc/sys.
WATCHED_SYSCTLS: Final = (
    "fs/inotify",
    "kernel/keys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/timer_migration",
    "kernel/unprivileged_bpf_disabled",
    "net",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)
COUNTERS: Final = ("nf_conntrack_count",)  # change by themselves

# Directories whose first level shows what was put beside the sandbox's own.
WATCHED_DIRECTORIES: Final = (
    "/etc",
    "/etc/cni",
    "/opt",
    "/run",
    "/run/netns",
    "/usr/lib",
    "/usr/libexec",
    "/usr/local",
)
WATCHED_STATE: Final = ("/var/lib", "/var/lib/cni", "/var/log", "/")

RULE_COMMANDS: Final = (
    ("nft", "list", "ruleset"),
    ("iptables-save",),
    ("iptables-legacy-save",),
    ("ip6tables-save",),
)


@dataclass(frozen=True)
class Snapshot:
    """Facts about the machine, by area (processes, mounts, links, …)."""

    facts: Mapping[str, frozenset[str]]


@dataclass(frozen=True, order=True)
class Difference:
    """One fact that holds in one of two snapshots only."""

    area: str
    fact: str
    appeared: bool

    def __str__(self) -> str:
        return f"{self.area}: {'+' if self.appeared else '-'} {self.fact}"


def take(layout: Layout) -> Snapshot:
    """Take a picture of the machine as the given sandbox may change it.

    Of processes only those are seen that belong to the sandbox: the machine's other programs come and go. What a
    neighbouring sandbox does is left out, and so is the build cache, which stays on purpose.
    """
    seen = {
        "processes": _processes(layout),
        "mounts": _mounts(),
        "links": _lines(["ip", "-brief", "link"]),
        "addresses": _lines(["ip", "-brief", "address"]),
        "routes": _lines(["ip", "route", "show", "table", "all"]),
        "control groups": _control_groups(),
        "rules": _rules(),
        "settings": _settings(),
        "files": _files(),
    }
    foreign = [str(layout.cache), *(name for neighbour in layout.neighbours() for name in _names(neighbour))]
    return Snapshot({area: frozenset(_without(facts, foreign)) for area, facts in seen.items()})


def differences(before: Snapshot, after: Snapshot) -> list[Difference]:
    """Return what appeared and what vanished between two snapshots, sorted."""
    found = []
    for area in sorted({*before.facts, *after.facts}):
        old, new = before.facts.get(area, frozenset()), after.facts.get(area, frozenset())
        found += [Difference(area, fact, appeared=True) for fact in new - old]
        found += [Difference(area, fact, appeared=False) for fact in old - new]
    return sorted(found)


def _names(layout: Layout) -> list[str]:
    """Return what everything of a sandbox outside its namespaces has in its name."""
    return [layout.bridge, str(layout.state), *(layout.host_name(node) for node in NODE_NAMES)]


def _without(facts: Iterable[str], foreign: Sequence[str]) -> Iterator[str]:
    return (fact for fact in facts if not any(name in fact for name in foreign))


def _processes(layout: Layout) -> Iterator[str]:
    ours = [name.encode() for name in _names(layout)]
    me = os.getpid()
    for directory in Path("/proc").iterdir():
        if not directory.name.isdigit() or int(directory.name) == me:
            continue
        traces = b"".join(_read(directory / name) for name in ("cgroup", "cmdline", "mountinfo"))
        if any(name in traces for name in ours):
            words = _read(directory / "cmdline").replace(b"\0", b" ").decode(errors="replace")
            yield f"{directory.name} {words.strip()}"


def _mounts() -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        yield f"{fields[4]} from {fields[3]} {' '.join(fields[5:])}"


def _control_groups() -> Iterator[str]:
    for hierarchy in cgroups.detect().hierarchies:
        yield from (str(path) for path in hierarchy.iterdir() if path.is_dir())
        yield f"controllers: {_read(hierarchy / 'cgroup.subtree_control').decode().strip()}"


def _rules() -> Iterator[str]:
    for command in RULE_COMMANDS:
        # Comments hold the time, counters change by themselves.
        for line in _lines(command):
            if not line.startswith(("#", ":")):
                yield f"{command[0]}: {line}"


def _settings() -> Iterator[str]:
    for top in WATCHED_SYSCTLS:
        root = Path("/proc/sys") / top
        for path in [root] if root.is_file() else root.rglob("*"):
            if path.is_file() and path.name not in COUNTERS and not _is_of_one_link(path):
                yield f"{path}={_read(path).decode(errors='replace').strip()}"


def _is_of_one_link(path: Path) -> bool:
    """Say whether a setting belongs to one network link: such settings come and go with it."""
    return path.parent.parent.name in {"conf", "neigh"} and path.parent.name not in {"all", "default"}


def _files() -> Iterator[str]:
    for directory in (*WATCHED_DIRECTORIES, *WATCHED_STATE):
        if Path(directory).is_dir():
            yield from (str(path) for path in Path(directory).iterdir())
    for path in Path("/etc").rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield f"{path} {hashlib.sha256(_read(path)).hexdigest()[:16]}"


def _lines(command: Sequence[str]) -> list[str]:
    try:
        return run(command).splitlines()
    except CommandError:
        return []  # the tool is not on this machine: what it would show cannot be there by our hand either


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # it ended or vanished while we looked, or can only be written
