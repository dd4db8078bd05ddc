"""The ways to an Ollama that are compared: straight, through Go's proxy, through our gateway, through LiteLLM."""

import asyncio
import contextlib
import json
import os
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

from api.server import free_port
from bench.common import processes
from bench.doors import cluster, programs
from bench.doors.cluster import Homes
from insula.domain.inference import Inference

DOOR_CORE: Final = 0  # of what is measured
OTHERS_CORE: Final = 1  # of those who ask, and of the Ollama
STRAIGHT, GO, INSULA, LITELLM = "straight", "go", "insula", "litellm"
ALL: Final = (STRAIGHT, GO, INSULA, LITELLM)
MODEL: Final = "gemma3:270m"
# What Home Assistant sends with some tens of entities is about so long.
_WORDS: Final = "light.living_room 'Living room' state: off brightness: 0\n" * 64
_LITELLM_KEY: Final = "sk-bench"  # of a proxy on loopback that lives for minutes


@dataclass(frozen=True)
class Way:
    """One way: where to ask, how, with which keys, and whose processor time counts."""

    name: str
    url: str
    bodies: Mapping[str, Path]
    keys: Path | None = None
    pid: int | None = None

    def words(self, body: str) -> list[str]:
        """Return the words for the clients that ask this way."""
        return ["-url", self.url, "-body", str(self.bodies[body]), *(["-keys", str(self.keys)] if self.keys else [])]


@dataclass(frozen=True)
class World:
    """All that runs: the ways, the program of the clients, and the gateway's second port."""

    ways: Mapping[str, Way]
    doors: Path
    admin: str
    directory: Path

    async def ask(self, way: Way, body: str, *words: str) -> dict[str, Any]:
        """Let clients ask, and return what they report."""
        command = processes.pinned([self.doors, "clients", *way.words(body), *words], OTHERS_CORE)
        clients = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, "GOMAXPROCS": "1"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        processes.prefer(clients.pid)
        output, complaint = await clients.communicate()
        if clients.returncode:
            raise RuntimeError(f"the clients failed: {complaint.decode(errors='replace')[-500:]}")
        report: dict[str, Any] = json.loads(output)
        return report

    async def cost_us(self, way: Way, body: str, *words: str) -> float:
        """Let clients ask, and return the processor time of the way for each request, in µs."""
        before = processor_s(way)
        report = await self.ask(way, body, *words)
        requests: int = report["requests"]
        return (processor_s(way) - before) / max(1, requests) * 1e6


def processor_s(way: Way) -> float:
    """Return what the way's door has used of the processor; none of our way is none."""
    return 0.0 if way.pid is None else processes.processor_s(way.pid)


@contextlib.asynccontextmanager
async def open_all(directory: Path, names: tuple[str, ...], *, homes: int, pace: float = 20.0) -> AsyncIterator[World]:
    """Start everything; yield when every way answers. `pace`: pieces a second of a stream."""
    doors = await programs.doors()
    bodies = _write_bodies(directory)
    async with contextlib.AsyncExitStack() as stack:
        port = free_port()
        command = [doors, "ollama", "-listen", f"0.0.0.0:{port}", "-pace", str(pace)]
        await stack.enter_async_context(_started(command, directory, "ollama", OTHERS_CORE))
        straight = Way(STRAIGHT, f"http://127.0.0.1:{port}/api/chat", bodies)
        await until_it_answers(straight)
        ways, admin = {STRAIGHT: straight}, ""
        if GO in names:
            ways[GO] = await stack.enter_async_context(_go(directory, doors, port, bodies))
        if INSULA in names:
            inference = Inference(cache=True)
            ways[INSULA], admin = await stack.enter_async_context(
                gateway(directory, Homes(homes, port, inference), bodies)
            )
        if LITELLM in names:
            ways[LITELLM] = await stack.enter_async_context(_litellm(directory, port, bodies))
        yield World(ways, doors, admin, directory)


@contextlib.asynccontextmanager
async def gateway(
    directory: Path, homes: Homes, bodies: Mapping[str, Path], *, slots: int = 4
) -> AsyncIterator[tuple[Way, str]]:
    """Start our gateway as it runs in a cluster, with its ledger; yield the way and the URL of its second port."""
    verify = homes.write_keys(directory)
    port, admin_port, ledger_port, ledger_admin = (free_port() for _ in range(4))
    place = directory / "ledger.url"
    place.write_text(f"sqlite:///{directory}/ledger.sqlite3")
    ledger = ["ledger", "--url-file", str(place), "--host", "127.0.0.1"]
    ledger += ["--port", str(ledger_port), "--admin-port", str(ledger_admin)]
    door = ["gateway", "--host", "127.0.0.1", "--port", str(port), "--admin-port", str(admin_port)]
    door += ["--keys", str(verify), "--ledger", f"http://127.0.0.1:{ledger_port}", "--slots", str(slots)]
    door += ["--drain-delay", "0", "--drain", "1"]
    async with (
        cluster.serving(homes, directory) as kubeconfig,
        _started(processes.insula(*ledger), directory, "ledger", OTHERS_CORE) as book,
        _started(processes.insula(*door), directory, "gateway", DOOR_CORE, KUBECONFIG=str(kubeconfig)) as process,
    ):
        admin = f"http://127.0.0.1:{admin_port}"
        await processes.until_ready(f"http://127.0.0.1:{ledger_admin}/readyz", book)
        await processes.until_ready(f"{admin}/readyz", process)
        url = f"http://127.0.0.1:{port}/api/chat"
        yield Way(INSULA, url, bodies, directory / "keys.txt", process.pid), admin


@contextlib.asynccontextmanager
async def _go(directory: Path, doors: Path, ollama: int, bodies: Mapping[str, Path]) -> AsyncIterator[Way]:
    port = free_port()
    command = [doors, "proxy", f"127.0.0.1:{port}", f"127.0.0.1:{ollama}"]
    async with _started(command, directory, "go", DOOR_CORE, GOMAXPROCS="1") as process:
        way = Way(GO, f"http://127.0.0.1:{port}/api/chat", bodies, pid=process.pid)
        await until_it_answers(way)
        yield way


@contextlib.asynccontextmanager
async def _litellm(directory: Path, ollama: int, bodies: Mapping[str, Path]) -> AsyncIterator[Way]:
    programs_of = await programs.environment("litellm", programs.LITELLM)
    port, config, keys = free_port(), directory / "litellm.yaml", directory / "litellm-keys.txt"
    keys.write_text(_LITELLM_KEY + "\n")
    # Ollama's OpenAI API behind it: the provider that has the least to translate.
    model = {"model": f"openai/{MODEL}", "api_base": f"http://127.0.0.1:{ollama}/v1", "api_key": "none"}
    settings: dict[str, Any] = {"model_list": [{"model_name": MODEL, "litellm_params": model}]}
    settings |= {"general_settings": {"master_key": _LITELLM_KEY}, "litellm_settings": {"telemetry": False}}
    config.write_text(yaml.safe_dump(settings))
    command = [programs_of / "litellm", "--config", config, "--host", "127.0.0.1", "--port", str(port)]
    words = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "PYTHONUNBUFFERED": "1"}
    async with _started([*command, "--num_workers", "1"], directory, "litellm", DOOR_CORE, **words) as process:
        openai = {"unary": bodies["unary-openai"], "stream": bodies["stream-openai"]}
        way = Way(LITELLM, f"http://127.0.0.1:{port}/v1/chat/completions", openai, keys, process.pid)
        await until_it_answers(way)
        yield way


def _started(
    command: list[Any], directory: Path, name: str, core: int, **environment: str
) -> contextlib.AbstractAsyncContextManager[Process]:
    return processes.running(command, directory / f"{name}.log", core=core, environment=environment)


def _write_bodies(directory: Path) -> dict[str, Path]:
    messages = [{"role": "system", "content": _WORDS}, {"role": "user", "content": "Turn on the light."}]
    usual = {"model": MODEL, "messages": messages}
    bodies = {
        "unary": usual | {"stream": False, "options": {"num_ctx": 8192}, "keep_alive": "5m"},
        "stream": usual | {"stream": True, "options": {"num_ctx": 8192}, "keep_alive": "5m"},
        "certain": usual | {"stream": False, "options": {"num_ctx": 8192, "temperature": 0}},
        "unary-openai": usual | {"stream": False},
        "stream-openai": usual | {"stream": True},
    }
    for name, body in bodies.items():
        (directory / f"{name}.json").write_text(json.dumps(body))
    return {name: directory / f"{name}.json" for name in bodies}


async def until_it_answers(way: Way) -> None:
    """Ask a way until it answers."""
    headers = {"Content-Type": "application/json"}
    if way.keys is not None:
        headers["Authorization"] = f"Bearer {way.keys.read_text().split()[0]}"
    body = way.bodies["unary"].read_bytes()
    async with asyncio.timeout(processes.START_TIMEOUT_S), aiohttp.ClientSession(headers=headers) as client:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with client.post(way.url, data=body) as response:
                    await response.read()
                    if response.status == 200:  # noqa: PLR2004
                        return
            await asyncio.sleep(0.1)
