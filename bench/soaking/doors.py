"""Replicas of the gateway and the ledger as processes of their own: started, weighed, killed."""

import asyncio
import os
import re
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp

START_S: Final = 60.0
STOP_S: Final = 30.0
_SAMPLE: Final = re.compile(r"^(\w+)(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


@dataclass
class Program:
    """A command of Insula's that runs, with a page that says when it is ready."""

    words: list[str]
    environment: dict[str, str]
    ready_url: str
    log: Path
    starts: int = 0
    _process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Its process id, 0 while it does not run."""
        return self._process.pid if self._process else 0

    async def start(self, session: aiohttp.ClientSession) -> None:
        """Start it and wait until it is ready."""
        self.starts += 1
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "insula",
                *self.words,
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(START_S):
            while not await _says(session, self.ready_url):  # noqa: ASYNC110 - another process has no event of ours
                await asyncio.sleep(0.2)

    async def end(self, *, kill: bool = False) -> None:
        """Stop it in good order, or kill it."""
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), STOP_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._process = None


@dataclass
class Door:
    """One replica of the gateway."""

    address: str
    port: int
    admin_port: int
    program: Program
    resident_mib: list[float] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where homes speak to it."""
        return f"http://{self.address}:{self.port}"

    async def metric(self, session: aiohttp.ClientSession, name: str) -> float:
        """Return the sum of a metric's samples."""
        async with session.get(f"http://{self.address}:{self.admin_port}/metrics") as answer:
            text = await answer.text()
        return sum(float(value) for each, value in _SAMPLE.findall(text) if each == name)

    def weigh(self) -> None:
        """Note its resident memory."""
        found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{self.program.pid}/status").read_text(), re.MULTILINE)
        self.resident_mib.append(int(found[1]) / 1024 if found else 0.0)

    def sockets(self) -> int:
        """Return how many sockets it has open."""
        found = 0
        for entry in Path(f"/proc/{self.program.pid}/fd").iterdir():
            try:
                found += entry.readlink().name.startswith("socket:")
            except FileNotFoundError:
                continue
        return found


def a_door(address: str, *, port: int, admin_port: int, settings: dict[str, str], directory: Path) -> Door:
    """Return a replica, not started."""
    environment = {
        **settings,
        "INSULA_GATEWAY_HOST": address,
        "INSULA_GATEWAY_PORT": str(port),
        "INSULA_GATEWAY_ADMIN_PORT": str(admin_port),
        "INSULA_GATEWAY_DRAIN_DELAY": "0.2",
        "INSULA_LOG_LEVEL": "WARNING",
        "POD_IP": address,
    }
    ready = f"http://{address}:{admin_port}/readyz"
    return Door(address, port, admin_port, Program(["gateway"], environment, ready, directory / f"{address}.log"))


async def _says(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.status == 200  # noqa: PLR2004
    except (aiohttp.ClientError, TimeoutError):
        return False
