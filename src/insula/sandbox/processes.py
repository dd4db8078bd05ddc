"""Processes of this machine: find them by what they are, and end them by their ids."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

END_TIMEOUT_S: Final = 10.0  # for a killed process to be gone: the kernel frees its memory first
POLL_S: Final = 0.05


def ids() -> list[int]:
    """Return the ids of all processes, as this machine counts."""
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def command_line(pid: int) -> list[str]:
    """Return the words of a process's command line; one empty word when it is gone or a thread of the kernel."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1] or [""]
    except OSError:
        return [""]


def is_first_inside(pid: int) -> bool:
    """Say whether a process is number 1 of a pid namespace below ours."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    numbers: list[str] = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return len(numbers) > 1 and numbers[-1] == "1"


def lives(pid: int) -> bool:
    """Say whether a process still runs; one that only waits to be noticed by its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def end(pid: int, *, grace_s: float = 0.0) -> None:
    """End a process and wait until it is gone; harmless when it is gone already.

    Args:
        pid: The process.
        grace_s: How long it may take to end by itself, in seconds; 0 kills it at once.
    """
    if grace_s > 0:
        _signal(pid, signal.SIGTERM)
        wait_until(lambda: not lives(pid), grace_s)
    _signal(pid, signal.SIGKILL)
    wait_until(lambda: not lives(pid), END_TIMEOUT_S)


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Wait until something holds, looking again and again; say whether it did within `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
