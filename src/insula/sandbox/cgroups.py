"""A node's control groups: one subtree per node, in version 1, version 2 and the hybrid of both.

Each node gets a subtree of its own since a kubelet sweeps what it finds below its root: two on one root kill each
other's pods. The driver is always cgroupfs, so that systemd, where it runs, is not asked and leaves the subtree alone.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from insula.domain.errors import RefusedError, UnavailableError
from insula.sandbox import journal

ROOT: Final = Path("/sys/fs/cgroup")
RUNTIME: Final = "runtime"  # holds the node's own programs; version 2 allows processes in leaves only

# What the kubelet and runc limit by. Version 1 has one hierarchy each, version 2 one for all.
V1_REQUIRED: Final = ("cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids")
V2_REQUIRED: Final = ("cpu", "cpuset", "memory", "pids")
V2_WANTED: Final = ("cpu", "cpuset", "hugetlb", "io", "memory", "pids")

REMOVAL_TIMEOUT_S: Final = 10.0
POLL_S: Final = 0.05


class Version(StrEnum):
    """How the machine mounts its control groups."""

    V1 = "v1"
    """One hierarchy per controller; perhaps an empty version 2 hierarchy beside them."""

    V2 = "v2"
    """The unified hierarchy only."""

    NONE = "none"


@dataclass(frozen=True)
class Groups:
    """The machine's control groups.

    Args:
        version: How they are mounted.
        hierarchies: The roots of the hierarchies in which a node has its subtree.
        controllers: Controllers that can be used.
    """

    version: Version
    hierarchies: tuple[Path, ...]
    controllers: frozenset[str]


def detect(root: Path = ROOT) -> Groups:
    """Look at how the machine mounts its control groups."""
    unified = root / "cgroup.controllers"
    if unified.exists():
        return Groups(Version.V2, (root,), frozenset(unified.read_text().split()))
    hierarchies = (
        tuple(
            path
            for path in sorted(root.iterdir())
            if path.is_dir() and (path / "cgroup.procs").exists() and not path.is_symlink()
        )
        if root.is_dir()
        else ()
    )
    if not hierarchies:
        return Groups(Version.NONE, (), frozenset())
    return Groups(Version.V1, hierarchies, frozenset(_v1_controllers(root)))


def _v1_controllers(root: Path) -> Iterator[str]:
    for path in root.iterdir():
        yield from path.name.split(",")  # "cpu,cpuacct" is one hierarchy of two controllers


def create(name: str, journal_path: Path, *, root: Path = ROOT) -> None:
    """Make the subtree of a node in each hierarchy; harmless when it is there.

    Raises:
        RefusedError: The kernel does not hand the controllers down.
    """
    groups = detect(root)
    if groups.version is Version.V2:
        _enable_v2(root, journal_path)
    for hierarchy in groups.hierarchies:
        top = hierarchy / name
        top.mkdir(exist_ok=True)
        if groups.version is Version.V2:
            _enable_v2(top, None)
        runtime = top / RUNTIME
        runtime.mkdir(exist_ok=True)
        if (hierarchy / "cpuset.cpus").exists() and groups.version is Version.V1:
            for directory in (top, runtime):
                for setting in ("cpuset.cpus", "cpuset.mems"):
                    (directory / setting).write_text((hierarchy / setting).read_text())


def _enable_v2(directory: Path, journal_path: Path | None) -> None:
    """Hand the wanted controllers down to the children of a version 2 group."""
    available = set((directory / "cgroup.controllers").read_text().split())
    enabled = set((directory / "cgroup.subtree_control").read_text().split())
    missing = tuple(sorted(available.intersection(V2_WANTED) - enabled))
    if missing and journal_path is not None:
        journal.note_controllers(journal_path, missing)
    for controller in missing:
        try:
            (directory / "cgroup.subtree_control").write_text(f"+{controller}")
        except OSError as error:
            raise RefusedError(
                f"the kernel does not hand the controller {controller} down from {directory} ({error.strerror})",
                remedy="inside a container, start it with the machine's control group namespace (`--cgroupns=host`)",
            ) from error


def attach(name: str, pid: int) -> None:
    """Move a process into the runtime group of a node; its children follow."""
    for hierarchy in detect().hierarchies:
        (hierarchy / name / RUNTIME / "cgroup.procs").write_text(str(pid))


def processes(name: str) -> set[int]:
    """Return the ids of all processes in a node's subtree."""
    found: set[int] = set()
    for hierarchy in detect().hierarchies:
        for path in (hierarchy / name).rglob("cgroup.procs"):
            try:
                found.update(int(pid) for pid in path.read_text().split())
            except OSError:
                continue  # the group went away while we looked
    return found - {0}


def remove(name: str, *, timeout_s: float = REMOVAL_TIMEOUT_S) -> None:
    """Remove a node's subtree; its processes must be ending.

    Raises:
        UnavailableError: Something still lives in it after `timeout_s` seconds.
    """
    deadline = time.monotonic() + timeout_s
    left = _sweep(name)
    while left:
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"the control group {left[0]} is still in use by the processes {sorted(processes(name))}",
                remedy="end them, then run `insula sandbox down` again",
            )
        time.sleep(POLL_S)
        left = _sweep(name)


def _sweep(name: str) -> list[Path]:
    """Remove what is empty of a subtree, and return the tops that stay."""
    tops = [hierarchy / name for hierarchy in detect().hierarchies]
    for top in tops:
        for path in sorted(top.rglob("*"), key=lambda path: len(path.parts), reverse=True):
            _rmdir(path)
        _rmdir(top)
    return [top for top in tops if top.exists()]


def _rmdir(path: Path) -> None:
    try:
        path.rmdir()
    except OSError:
        return  # a file, in use, or gone already: the caller looks at what stays


def restore_controllers(controllers: tuple[str, ...]) -> None:
    """Switch off again what `create` switched on in the root of version 2; what others use by now stays on."""
    for controller in controllers:
        try:
            (ROOT / "cgroup.subtree_control").write_text(f"-{controller}")
        except OSError:
            continue
