"""An operator as a process of its own: started by its command line, asked for its metrics, weighed, stopped, killed."""

import asyncio
import contextlib
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import aiohttp

from api.server import free_port
from bench.common import processes, serving
from bench.ladder.world import World

START_TIMEOUT_S: Final = 600.0
STOP_TIMEOUT_S: Final = 60.0
ASK_EVERY_S: Final = 0.2  # a scrape takes some milliseconds of the operator's own
STANDING_BY_S: Final = 5.0


class Operator:
    """A running operator."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, session: aiohttp.ClientSession) -> None:
        self.process = process
        self._url = url
        self._session = session
        self.started_at = time.monotonic()

    async def ask(self, path: str) -> tuple[int, str]:
        """Return status and text of one of its health pages; (0, "") where it does not listen."""
        try:
            async with self._session.get(self._url + path) as answer:
                return answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            return 0, ""

    async def metrics(self) -> "Metrics":
        """Return its metrics as they are now."""
        return Metrics((await self.ask("/metrics"))[1])

    async def is_ready(self) -> bool:
        """Say whether it calls itself ready."""
        return (await self.ask("/readyz"))[0] == 200  # noqa: PLR2004

    async def is_leading(self) -> bool:
        """Say whether it leads and has its caches full."""
        return await self.is_ready() and (await self.metrics()).sum("insula_operator_leading") > 0

    async def is_idle(self, looks: int) -> bool:
        """Say whether it has looked at so many homes and none waits."""
        seen = await self.metrics()
        looked = seen.sum("insula_operator_look_seconds_count", result="ok")
        return looked >= looks and seen.sum("insula_operator_queue_depth") == 0

    def kill(self) -> None:
        """End it without a word."""
        self.process.kill()

    async def stop(self) -> None:
        """End it in good order."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self.process.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                self.process.kill()
        await self.process.wait()


class Metrics:
    """What one scrape said."""

    def __init__(self, text: str) -> None:
        self._samples = [
            (name, dict(re.findall(r'(\w+)="([^"]*)"', labels or "")), float(value))
            for name, labels, value in re.findall(r"^(\w+)(?:\{([^}]*)\})? (\S+)$", text, re.MULTILINE)
        ]

    def sum(self, name: str, **labels: str) -> float:
        """Return the sum of all samples of a metric that bear these labels."""
        return sum(value for each, has, value in self._samples if each == name and labels.items() <= has.items())

    def calls(self) -> dict[str, int]:
        """Return how many calls of the API server were answered, by "verb resource"; Leases and watches left out."""
        found: dict[str, int] = {}
        for name, labels, value in self._samples:
            if name != "insula_operator_api_answers_total" or labels["resource"] == "leases":
                continue
            if labels["verb"] not in ("watch", "list"):
                what = f"{labels['verb']} {labels['resource']}"
                found[what] = found.get(what, 0) + int(value)
        return found


@contextlib.asynccontextmanager
async def running(world: World, name: str = "first", *, words: tuple[str, ...] = ()) -> AsyncIterator[Operator]:
    """Start an operator; leave it stopped."""
    operator = await start(world, name, words=words)
    try:
        yield operator
    finally:
        await stop(operator)


async def start(world: World, name: str, *, words: tuple[str, ...] = ()) -> Operator:
    """Start an operator; its log goes to the world's directory."""
    port = free_port()
    access = world.operators_access
    kubeconfig = serving.write_kubeconfig(
        world.directory / "operator.kubeconfig", access.server, ca_pem=access.ca_pem, token=access.token
    )
    log = (world.directory / f"operator-{name}.log").open("ab")
    command = ["operator", "--platform", str(world.platform_file()), "--host", "127.0.0.1", "--port", str(port), *words]
    process = await asyncio.create_subprocess_exec(
        *processes.insula(*command),
        env={**os.environ, "KUBECONFIG": str(kubeconfig), "INSULA_LOG_LEVEL": "WARNING"},
        stdout=log,
        stderr=log,
    )
    log.close()
    session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
    return Operator(process, f"http://127.0.0.1:{port}", session)


async def stop(operator: Operator) -> None:
    """Stop an operator and let go of it."""
    await operator.stop()
    await operator._session.close()


async def until(
    what: str,
    attempt: Callable[[], Awaitable[bool]],
    *,
    within_s: float = START_TIMEOUT_S,
    every_s: float = ASK_EVERY_S,
) -> None:
    """Return once an attempt says yes.

    Raises:
        TimeoutError: It did not.
    """
    deadline = time.monotonic() + within_s
    while not await attempt():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within_s:.0f} s: {what}")
        await asyncio.sleep(every_s)
