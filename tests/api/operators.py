"""Operators through a proxy, in this process and as processes of their own, with somebody who starts them anew."""

import asyncio
import base64
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import yaml

from api.homes import LEASE, OPERATOR, RELEASE, some_settings
from api.proxy import Call, Proxy
from api.server import ApiServer, eventually, free_port
from insula.domain.manifests import Manifest
from insula.kube.client import Client
from insula.kube.config import Access
from insula.kube.leases import DEFAULT_TIMING, LeaseLostError, Timing
from insula.operator.main import Process
from insula.operator.metrics import Metrics

PLATFORM = {
    "domain": "homes.test",
    "images": {"insula": "localhost/insula:1", "homeAssistant": "localhost/ha:1", "ollama": "localhost/ollama:1"},
    "releaseNamespace": RELEASE,
    "issuer": {"name": "tests"},
}
RESTART_S = 0.2


class Supervised:
    """An operator in this process; when it has lost its Lease and ended, it is started anew, as a kubelet does.

    It counts: `starts`, and what its queue says by its metrics.
    """

    def __init__(self, access: Access, proxy: Proxy, timing: Timing) -> None:
        self.proxy = proxy
        self._timing = timing
        self.starts = 0
        self._access = access
        self._metrics = Metrics()
        self._process: asyncio.Task[None] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self.starts += 1
            self._metrics = Metrics()
            async with Client(self._access, meter=self._metrics.count_call) as client:
                settings = some_settings(f"start-{self.starts}", timing=self._timing)
                self._process = asyncio.create_task(Process(client, settings, self._metrics).run(stop))
                await asyncio.wait([self._process])
                if not self._process.cancelled():
                    with contextlib.suppress(LeaseLostError):
                        self._process.result()
            if not stop.is_set():
                await asyncio.sleep(RESTART_S)

    async def crash(self) -> None:
        """End it in the middle of whatever it does; it is started anew."""
        if self._process is not None:
            self._process.cancel()
            await asyncio.wait([self._process])

    def gauge(self, name: str) -> float:
        return self._metrics.registry.get_sample_value(f"insula_operator_{name}") or 0.0

    async def rest(self, *, quiet_s: float = 0.5, within_s: float = 40.0) -> None:
        """Return once it leads, nothing waits, nothing fails, and nothing was written for a while."""
        seen = -1

        async def rests() -> bool:
            nonlocal seen
            before, seen = seen, len(self.proxy.writes)
            unsettled = self.gauge("queue_depth") + self.gauge("failing")
            return self.gauge("leading") == 1 and unsettled == 0 and before == seen

        await eventually(rests, within_s=within_s, every_s=quiet_s)


@contextlib.asynccontextmanager
async def supervised(server: ApiServer, timing: Timing = DEFAULT_TIMING) -> AsyncIterator[Supervised]:
    """Run an operator through a proxy; it ends in good order, whatever the proxy does by then."""
    proxy = Proxy(server.access_of(OPERATOR, "system:authenticated"))
    stop = asyncio.Event()
    async with proxy.serving() as access:
        operator = Supervised(access, proxy, timing)
        task = asyncio.create_task(operator.run(stop))
        try:
            yield operator
        finally:
            stop.set()
            await asyncio.wait([task], timeout=10)
            await operator.crash()
            await task


async def second_pass(server: ApiServer) -> list[Call]:
    """Start another operator on the world as it is, let it look at everything, and return what it wrote."""
    async with supervised(server) as operator:
        await operator.rest()
        return [call for call in operator.proxy.calls if call.writes]


@dataclass
class Operator:
    """An operator process and where its health is asked for."""

    process: asyncio.subprocess.Process
    url: str

    async def ask(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as answer:
            return answer.status, await answer.text()

    async def is_ready(self) -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            return (await self.ask("/readyz"))[0] == 200
        return False

    async def leads(self) -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            return "insula_operator_leading 1.0" in (await self.ask("/metrics"))[1]
        return False

    async def kill(self) -> None:
        """End it by SIGKILL."""
        self.process.kill()
        await self.process.wait()


def a_kubeconfig(access: Access) -> Manifest:
    def encoded(pem: bytes) -> str:
        return base64.b64encode(pem).decode()

    cluster = {"server": access.server, "certificate-authority-data": encoded(access.ca_pem)}
    user = {
        "client-certificate-data": encoded(access.certificate_pem),
        "client-key-data": encoded(access.key_pem),
    }
    return {
        "current-context": "tests",
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
        "clusters": [{"name": "tests", "cluster": cluster}],
        "users": [{"name": "tests", "user": user}],
    }


@contextlib.asynccontextmanager
async def started(access: Access, directory: Path, *words: str) -> AsyncIterator[Operator]:
    """Start `insula operator` as a process of its own; it is killed in the end, if it still runs."""
    port = free_port()
    _write_files(directory, access)
    options = ["--platform", str(directory / "platform.yaml"), "--host", "127.0.0.1", "--port", str(port), *words]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from insula.main import run; run()",
        "operator",
        *options,
        env={**os.environ, "KUBECONFIG": str(directory / "kubeconfig")},
    )
    operator = Operator(process, f"http://127.0.0.1:{port}")
    try:
        yield operator
    finally:
        if process.returncode is None:
            await operator.kill()


def _write_files(directory: Path, access: Access) -> None:
    directory.mkdir(exist_ok=True)
    (directory / "kubeconfig").write_text(yaml.safe_dump(a_kubeconfig(access)))
    (directory / "platform.yaml").write_text(yaml.safe_dump(PLATFORM))


async def forget_the_leader(client: Client) -> None:
    """Remove the Lease, so that nobody need wait for a leader that was killed."""
    await client.delete(LEASE)
