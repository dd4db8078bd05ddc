"""Take a sandbox down so that nothing of it is left on the machine but the cache of built programs."""

import shutil
from pathlib import Path

from insula.domain.errors import RefusedError
from insula.sandbox import cgroups, journal, network, package_index, sysctls
from insula.sandbox.layout import NODE_NAMES, Layout
from insula.sandbox.nodes import stop_node
from insula.sandbox.processes import end


def down(layout: Layout) -> None:
    """Stop all nodes, give back what was taken of the machine, and remove the sandbox's state with all its data.

    Works from whatever an interrupted run left: nodes are found on the machine itself, and changed settings in the
    journal, which goes last. Running it twice is harmless.

    Raises:
        UnavailableError: A control group is still in use by a process that is not ours.
        RefusedError: Something is mounted below the state directory, and would be deleted with it.
    """
    for node in NODE_NAMES:
        stop_node(layout, node, grace_s=0)
    for pid in package_index.processes(layout):
        end(pid)
    network.remove_bridge(layout)
    _give_back(layout)
    _remove_state(layout)


def _give_back(layout: Layout) -> None:
    """Set kernel settings back, or leave that to a sandbox that still needs them."""
    noted = journal.read(layout.journal)
    heirs = [neighbour for neighbour in layout.neighbours() if neighbour.journal.exists()]
    for heir in heirs:
        for key, value in noted.sysctls.items():
            journal.note_sysctl(heir.journal, key, value)
        journal.note_controllers(heir.journal, noted.controllers)
    if not heirs:
        sysctls.restore(noted.sysctls)
        cgroups.restore_controllers(noted.controllers)


def _remove_state(layout: Layout) -> None:
    if not layout.state.exists():
        return
    mounted = mounts_below(layout.state, Path("/proc/self/mountinfo").read_text())
    if mounted:
        raise RefusedError(
            f"{mounted[0]} is mounted below the sandbox's state and would be deleted with it",
            remedy=f"unmount it (`umount {mounted[0]}`), then run `insula sandbox down` again",
        )
    for path in layout.state.iterdir():
        if path == layout.journal:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    layout.journal.unlink(missing_ok=True)
    layout.state.rmdir()
    _remove_if_empty(layout.state.parent)


def mounts_below(directory: Path, mountinfo: str) -> list[Path]:
    """Return the mount points at or below a directory, from the text of a mountinfo file."""
    points = (Path(line.split()[4].replace("\\040", " ")) for line in mountinfo.splitlines() if line)
    return [point for point in points if point.is_relative_to(directory)]


def _remove_if_empty(directory: Path) -> None:
    if directory.name == "insula" and not any(directory.iterdir()):
        directory.rmdir()
