"""Programs of a measurement: started on a core of their own, weighed, and stopped by their own id."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import aiohttp

START_TIMEOUT_S: Final = 120.0
STOP_TIMEOUT_S: Final = 20.0
GROUP_NICENESS: Final = -10  # nine times the weight of others, who go on all the same
_SCHEDULED: Final = 2  # of clock ids: the processor time of a process, in nanoseconds


@contextlib.asynccontextmanager
async def running(
    command: Sequence[str | Path], log: Path, *, core: int | None = None, environment: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a program whose output goes to a file; leave it stopped.

    Args:
        command: The program and its words.
        log: Where its output goes.
        core: The only core that it may use; None: any.
        environment: Variables beside this process's own.
    """
    process = await start(command, log, core=core, environment=environment)
    try:
        yield process
    finally:
        await stop(process)


async def start(
    command: Sequence[str | Path], log: Path, *, core: int | None = None, environment: Mapping[str, str] | None = None
) -> asyncio.subprocess.Process:
    """Start a program; see `running`."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *pinned(command, core),
            env={**os.environ, **(environment or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    prefer(process.pid)
    return process


async def until_ready(url: str, process: asyncio.subprocess.Process) -> None:
    """Return once a program's page answers 200.

    Raises:
        RuntimeError: The program ended before.
        TimeoutError: It did not within `START_TIMEOUT_S`.
    """
    async with asyncio.timeout(START_TIMEOUT_S), aiohttp.ClientSession() as client:
        while process.returncode is None:
            with contextlib.suppress(aiohttp.ClientError):
                async with client.get(url) as response:
                    if response.status == 200:  # noqa: PLR2004
                        return
            await asyncio.sleep(0.05)
    raise RuntimeError(f"a program ended before it was ready at {url}")


async def stop(process: asyncio.subprocess.Process, *, kill: bool = False) -> None:
    """End a program in good order, or else, or if so asked, without a word."""
    if process.returncode is None:
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            process.kill()
    await process.wait()


def insula(*words: str) -> list[str]:
    """Return the command of one of our own doors."""
    return [sys.executable, "-c", "from insula.main import run; run()", *words]


def pinned(command: Sequence[str | Path], core: int | None) -> list[str]:
    """Return the command that runs on one core alone, where there are several to choose from."""
    words = [str(word) for word in command]
    tool = shutil.which("taskset")
    return words if core is None or tool is None or core >= (os.cpu_count() or 1) else [tool, "-c", str(core), *words]


def prefer(pid: int) -> None:
    """Let a session's programs go before those of other sessions, where we may.

    Linux shares cores among sessions first, so that idle work of another session would get as much as what is measured.
    """
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(GROUP_NICENESS))


def processor_s(pid: int) -> float:
    """Return the seconds of processor time that a process and its children have used."""
    return sum(_used_s(each) for each in family(pid))


def resident_mib(pid: int, field: str = "VmRSS") -> float:
    """Return the resident memory of a process and its children in MiB; VmHWM: the most that they ever had."""
    return sum(_kib(each, field) for each in family(pid)) / 1024


def family(pid: int) -> Iterator[int]:
    """Yield a process and all its children."""
    yield pid
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from family(int(child))


def open_files(pid: int) -> int:
    """Return how many files and sockets a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def sockets(pid: int) -> int:
    """Return how many sockets a process has open."""
    found = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed just now
            found += entry.readlink().name.startswith("socket:")
    return found


def _used_s(pid: int) -> float:
    try:
        return time.clock_gettime(~pid << 3 | _SCHEDULED)
    except OSError:
        return 0.0  # it has just ended


def _kib(pid: int, field: str) -> int:
    try:
        found = re.search(rf"^{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found.group(1)) if found else 0
