"""The operator as a process of its own: started by its command line, asked for its health, stopped and killed."""

import asyncio
import base64
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import yaml

from api.homes import LEASE, OPERATOR, RELEASE, World, a_tenant, rbac
from api.server import ApiServer, eventually, free_port
from insula.domain import names
from insula.domain.manifests import Manifest
from insula.kube.config import Access

Name = Callable[[str], str]

PLATFORM = {
    "domain": "homes.test",
    "images": {"insula": "localhost/insula:1", "homeAssistant": "localhost/ha:1", "ollama": "localhost/ollama:1"},
    "releaseNamespace": RELEASE,
    "issuer": {"name": "tests"},
}


@dataclass
class Operator:
    """A running operator and where its health is asked for."""

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
async def started(server: ApiServer, directory: Path) -> AsyncIterator[Operator]:
    port = free_port()
    (directory / "kubeconfig").write_text(yaml.safe_dump(a_kubeconfig(server.access_of(OPERATOR, "nobodies"))))
    (directory / "platform.yaml").write_text(yaml.safe_dump(PLATFORM))
    words = ["operator", "--platform", str(directory / "platform.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from insula.main import run; run()",
        *words,
        env={**os.environ, "KUBECONFIG": str(directory / "kubeconfig")},
    )
    try:
        yield Operator(process, f"http://127.0.0.1:{port}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_it_is_ready_when_it_leads_and_gives_the_lease_back(
    server: ApiServer, world: World, tmp_path: Path
) -> None:
    async with started(server, tmp_path) as operator:
        await eventually(operator.leads)
        await eventually(operator.is_ready)
        assert (await operator.ask("/healthz"))[0] == 200
        metrics = (await operator.ask("/metrics"))[1]
        operator.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(operator.process.wait(), 10) == 0
    assert 'insula_operator_api_answers_total{code="200",resource="tenants",verb="list"} 1.0' in metrics
    assert (await world.client.get(LEASE))["spec"]["holderIdentity"] == ""


async def test_the_second_stands_by_and_is_ready_for_it(server: ApiServer, world: World, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    async with started(server, tmp_path / "first") as first:
        await eventually(first.leads)
        async with started(server, tmp_path / "second") as second:
            await eventually(second.is_ready)
            assert not await second.leads()
            first.process.send_signal(signal.SIGTERM)
            await eventually(second.leads)


async def test_it_ends_when_another_one_has_taken_the_lease(server: ApiServer, world: World, tmp_path: Path) -> None:
    async with started(server, tmp_path) as operator:
        await eventually(operator.leads)
        await world.client.merge_patch(LEASE, {"spec": {"holderIdentity": "usurper"}})
        assert await asyncio.wait_for(operator.process.wait(), 10) != 0
    assert (await world.client.get(LEASE))["spec"]["holderIdentity"] == "usurper"


async def test_killed_in_the_middle_of_a_creation_the_next_one_goes_on(
    server: ApiServer, world: World, a_name: Name, tmp_path: Path
) -> None:
    alice = a_name("alice")
    role = next(each for each in rbac() if each["metadata"]["name"] == "insula-tenant-secrets")
    await world.client.apply({**role, "rules": []})  # so that it comes as far as the Secrets, and no further
    async with started(server, tmp_path) as operator:
        await world.create(a_tenant(alice))
        await world.wait_for(alice, "ServiceAccount", names.OLLAMA)
        operator.process.kill()
        await operator.process.wait()
    await world.client.apply(role)
    assert await world.find(alice, "Deployment", names.OLLAMA, "apps/v1") is None
    await world.client.delete(LEASE)
    async with started(server, tmp_path):
        await world.bring_up(alice)
        await world.wait_condition(alice, "Ready", "True")


async def test_a_server_that_comes_back_finds_the_operator_at_work(
    server: ApiServer, world: World, a_name: Name, tmp_path: Path
) -> None:
    alice = a_name("alice")
    async with started(server, tmp_path) as operator:
        await eventually(operator.leads)
        server.stop_api()
        await server.start_api()
        await world.create(a_tenant(alice))
        await world.wait_for(alice, "Deployment", names.HOME_ASSISTANT, "apps/v1")
        assert operator.process.returncode is None


async def test_a_missing_platform_file_is_told_in_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from insula.main import run; run()", "operator", "--platform", str(tmp_path / "none")
    )
    assert await process.wait() == 3
    assert "does not exist" in capfd.readouterr().err
