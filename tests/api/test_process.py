"""The operator as a process of its own: started by its command line, asked for its health, stopped and killed."""

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from api.homes import LEASE, OPERATOR, World, a_tenant, rbac
from api.operators import forget_the_leader, started
from api.server import ApiServer, eventually
from insula.domain import names
from insula.kube.config import Access

Name = Callable[[str], str]


@pytest.fixture
def access(server: ApiServer) -> Access:
    return server.access_of(OPERATOR, "nobodies")


async def test_it_is_ready_when_it_leads_and_gives_the_lease_back(access: Access, world: World, tmp_path: Path) -> None:
    async with started(access, tmp_path) as operator:
        await eventually(operator.leads)
        await eventually(operator.is_ready)
        assert (await operator.ask("/healthz"))[0] == 200
        metrics = (await operator.ask("/metrics"))[1]
        operator.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(operator.process.wait(), 10) == 0
    assert 'insula_operator_api_answers_total{code="200",resource="tenants",verb="list"} 1.0' in metrics
    assert (await world.client.get(LEASE))["spec"]["holderIdentity"] == ""


async def test_the_second_stands_by_and_is_ready_for_it(access: Access, world: World, tmp_path: Path) -> None:
    async with started(access, tmp_path / "first") as first:
        await eventually(first.leads)
        async with started(access, tmp_path / "second") as second:
            await eventually(second.is_ready)
            assert not await second.leads()
            first.process.send_signal(signal.SIGTERM)
            await eventually(second.leads)


async def test_it_ends_when_another_one_has_taken_the_lease(access: Access, world: World, tmp_path: Path) -> None:
    async with started(access, tmp_path) as operator:
        await eventually(operator.leads)
        await world.client.merge_patch(LEASE, {"spec": {"holderIdentity": "usurper"}})
        assert await asyncio.wait_for(operator.process.wait(), 10) != 0
    assert (await world.client.get(LEASE))["spec"]["holderIdentity"] == "usurper"


async def test_killed_in_the_middle_of_a_creation_the_next_one_goes_on(
    access: Access, world: World, a_name: Name, tmp_path: Path
) -> None:
    alice = a_name("alice")
    role = next(each for each in rbac() if each["metadata"]["name"] == "insula-tenant-secrets")
    await world.client.apply({**role, "rules": []})  # so that it comes as far as the Secrets, and no further
    async with started(access, tmp_path) as operator:
        await world.create(a_tenant(alice))
        await world.wait_for(alice, "ServiceAccount", names.OLLAMA)
        await operator.kill()
    await world.client.apply(role)
    assert await world.find(alice, "Deployment", names.OLLAMA, "apps/v1") is None
    await forget_the_leader(world.client)
    async with started(access, tmp_path):
        await world.bring_up(alice)
        await world.wait_condition(alice, "Ready", "True")


async def test_a_server_that_comes_back_finds_the_operator_at_work(
    server: ApiServer, access: Access, world: World, a_name: Name, tmp_path: Path
) -> None:
    alice = a_name("alice")
    async with started(access, tmp_path) as operator:
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
