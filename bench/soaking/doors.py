"""Replicas of the gateway and the ledger as processes of their own: started, weighed, killed."""

from asyncio.subprocess import Process
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from bench.common import metrics, processes


@dataclass
class Program:
    """A command of Insula's that runs, with a page that says when it is ready."""

    words: list[str]
    environment: dict[str, str]
    ready_url: str
    log: Path
    _process: Process | None = None

    @property
    def pid(self) -> int:
        """Its process id, 0 while it does not run."""
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        self._process = await processes.start(processes.insula(*self.words), self.log, environment=self.environment)
        await processes.until_ready(self.ready_url, self._process)

    async def end(self, *, kill: bool = False) -> None:
        """Stop it in good order, or kill it."""
        if self._process is not None:
            await processes.stop(self._process, kill=kill)
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
        return metrics.total(text, name)

    def weigh(self) -> None:
        """Note its resident memory."""
        self.resident_mib.append(processes.resident_mib(self.program.pid))

    def sockets(self) -> int:
        """Return how many sockets it has open."""
        return processes.sockets(self.program.pid)


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
