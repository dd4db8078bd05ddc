"""The nodes of a sandbox: network, mount, pid, uts and ipc namespaces around one first process each.

Nothing is remembered about a running node: it is found by its first process's command line, so a node that was left
half-started by a killed run is seen and repaired like any other.
"""

import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from insula.domain.errors import UnavailableError
from insula.sandbox import cgroups, network, node_root, processes, sysctls
from insula.sandbox.commands import DEFAULT_TIMEOUT_S, CommandError, run, succeeds
from insula.sandbox.layout import Layout

BUILD_TIMEOUT_S: Final = 20.0  # for the node's root: some forty mounts, 0.1 s when idle
BOOT_TIMEOUT_S: Final = 60.0  # for containerd to answer; it opens its database first, which needs the disk
STOP_GRACE_S: Final = 10.0  # for databases to close; then the plug is pulled
PATH_INSIDE: Final = "/opt/insula/sbin:/opt/insula/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def start_node(layout: Layout, node: str, binaries: Path) -> None:
    """Start a node, to the point where its container runtime answers.

    A node that runs is left alone. One that was started halfway, by a run that was killed, is stopped and started anew;
    its data stays.

    Args:
        layout: The sandbox.
        node: The node's name.
        binaries: Directory with containerd, containerd-shim-runc-v2, ctr, kubeadm, kubectl and kubelet; links are
            followed.

    Raises:
        NotFoundError: A program is missing.
        UnavailableError: The node did not come up; its logs say why.
    """
    if is_up(layout, node):
        return
    stop_node(layout, node, grace_s=0)
    sysctls.raise_minima(layout)
    network.make_bridge(layout)
    node_root.prepare(layout, node, binaries)
    cgroups.create(layout.host_name(node), layout.journal)
    pid = _spawn(layout, node)
    for holder in first_processes(layout, node):  # the waiting one, too: it shall outlive the session that started it
        cgroups.attach(layout.host_name(node), holder)
    network.connect(layout, node, pid)
    _inside(pid, "wired").touch()
    _wait(lambda: _inside(pid, "booted").exists(), BOOT_TIMEOUT_S, layout, node, "did not boot")
    _wait(lambda: _runtime_answers(layout, node), BOOT_TIMEOUT_S, layout, node, "has no container runtime")


def stop_node(layout: Layout, node: str, *, grace_s: float = STOP_GRACE_S) -> None:
    """Stop a node and remove what it holds on the machine but its data; harmless when it does not run.

    Args:
        layout: The sandbox.
        node: The node's name.
        grace_s: How long its programs may take to end by themselves, in seconds; 0 is a power cut: the cable goes
            first, so that nobody hears of the end.
    """
    if grace_s == 0:
        network.disconnect(layout, node)
    # The inner process first: when the outer one dies, the kernel kills the inner one without any grace.
    for pid in sorted(first_processes(layout, node), key=processes.is_first_inside, reverse=True):
        processes.end(pid, grace_s=grace_s)
    network.disconnect(layout, node)
    # Only a process that entered the control group without the namespaces can be left by now.
    for pid in cgroups.processes(layout.host_name(node)):
        processes.end(pid)
    cgroups.remove(layout.host_name(node))


def node_pid(layout: Layout, node: str) -> int | None:
    """Return the id, as the machine counts, of the node's first process; None when the node does not run."""
    inner = [pid for pid in first_processes(layout, node) if processes.is_first_inside(pid)]
    return inner[0] if inner else None


def is_up(layout: Layout, node: str) -> bool:
    """Say whether the node runs whole: booted, cabled, its container runtime answering."""
    pid = node_pid(layout, node)
    return (
        pid is not None
        and _inside(pid, "booted").exists()
        and layout.link(node) in network.links()
        and _runtime_answers(layout, node)
    )


def booted_at(layout: Layout, node: str) -> datetime:
    """Return when the present life of a node began.

    Raises:
        UnavailableError: The node does not run.
    """
    pid = node_pid(layout, node)
    if pid is None or not _inside(pid, "booted").exists():
        raise UnavailableError(f"the node {node} of the {layout.name} does not run", remedy="run `insula sandbox up`")
    return datetime.fromtimestamp(_inside(pid, "booted").stat().st_mtime, UTC)


def enter_argv(layout: Layout, node: str) -> list[str]:
    """Return the words that, put before a command, run it inside the node.

    The command starts in `/` and finds the node's programs; relative paths mean the node's.

    Raises:
        UnavailableError: The node does not run.
    """
    pid = node_pid(layout, node)
    if pid is None:
        raise UnavailableError(f"the node {node} of the {layout.name} does not run", remedy="run `insula sandbox up`")
    entering = ["nsenter", f"--target={pid}", "--mount", "--uts", "--ipc", "--net", "--pid", "--"]
    return [*entering, "/usr/bin/env", "-i", f"PATH={PATH_INSIDE}", "HOME=/root"]


def run_in_node(
    layout: Layout,
    node: str,
    argv: Sequence[str],
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    stdin: IO[bytes] | bytes | None = None,
) -> str:
    """Run a command inside the node to its end and return its standard output.

    Raises:
        UnavailableError: The node does not run.
        CommandError: The command failed, or took longer than `timeout_s` seconds.
    """
    try:
        return run([*enter_argv(layout, node), *argv], timeout_s=timeout_s, stdin=stdin)
    except CommandError as error:
        # The error names the command as its author knows it, not the way into the node.
        raise CommandError(argv, error.code, error.output) from error


def first_processes(layout: Layout, node: str) -> list[int]:
    """Return the processes that hold a node: its first one, and the one on the machine that waits for it.

    They are told from all others by the script's name, the node's name on the machine and the node's directory, all
    three in their command line; forks of the first process inside the node are left out.
    """
    return [
        pid
        for pid in _relatives(layout, node)
        if processes.is_first_inside(pid) or processes.command_line(pid)[0] in {"setsid", "unshare"}
    ]


def _relatives(layout: Layout, node: str) -> list[int]:
    """Return all processes with the node's command line, those on their way to become the first one included."""
    names = [layout.host_name(node), str(layout.node(node).root)]
    found = []
    for pid in processes.ids():
        words = processes.command_line(pid)
        if words[-2:] == names and any(word.endswith("/node_init.sh") for word in words):
            found.append(pid)
    return found


def _spawn(layout: Layout, node: str) -> int:
    """Start the node's first process, wait until it stands in its own root, and return its id."""
    paths = layout.node(node)
    script = [str(node_root.HERE / "node_init.sh"), "build", layout.host_name(node), str(paths.root)]
    namespaces = ["--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child"]
    with (paths.logs / "init.log").open("ab") as log:
        subprocess.run(
            ["setsid", "--fork", "unshare", *namespaces, "/bin/bash", *script],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            check=True,
        )
    _wait(
        lambda: _booting_pid(layout, node) is not None or not _relatives(layout, node),
        BUILD_TIMEOUT_S,
        layout,
        node,
        "could not build its root",
    )
    pid = _booting_pid(layout, node)
    if pid is None:
        raise _failure(layout, node, "could not build its root")
    return pid


def _booting_pid(layout: Layout, node: str) -> int | None:
    pid = node_pid(layout, node)
    return pid if pid is not None and _inside(pid, "never").exists() else None


def _inside(pid: int, name: str) -> Path:
    """Return a file in the node's /run/insula, by which the node and the machine tell each other how far they are."""
    return Path(f"/proc/{pid}/root/run/insula") / name


def _runtime_answers(layout: Layout, node: str) -> bool:
    return succeeds([*enter_argv(layout, node), "ctr", "--connect-timeout=1s", "version"], timeout_s=5)


def _wait(condition: Callable[[], bool], timeout_s: float, layout: Layout, node: str, failing: str) -> None:
    if not processes.wait_until(condition, timeout_s):
        raise _failure(layout, node, failing)


def _failure(layout: Layout, node: str, failing: str) -> UnavailableError:
    logs = layout.node(node).logs
    log = logs / "init.log"
    last_lines = log.read_text(errors="replace").strip().splitlines()[-3:] if log.exists() else []
    reason = f": {' / '.join(last_lines)}" if last_lines else ""
    return UnavailableError(f"the node {node} {failing}{reason}", remedy=f"read the logs in {logs}")
