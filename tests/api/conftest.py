"""One API server for all tests of this layer; each test takes names of its own."""

import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from api import chart, programs
from api.homes import LEASE, RELEASE, World, a_plan, rbac
from api.server import ApiServer, install
from insula.contract import crds
from insula.kube.client import Client

_CERTIFICATE_CRD = Path(__file__).parent / "certificate-crd.yaml"
_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ApiServer]:
    async with a_server(tmp_path_factory.mktemp("api")) as server:
        yield server


@contextlib.asynccontextmanager
async def a_server(directory: Path) -> AsyncIterator[ApiServer]:
    """Start an API server that knows our kinds."""
    server = ApiServer(await programs.find(), directory)
    try:
        await server.start()
        async with Client(server.access) as client:
            certificate_crd = yaml.safe_load(_CERTIFICATE_CRD.read_text())
            await install(client, [crds.tenant_crd(), crds.plan_crd(), certificate_crd])
        yield server
    finally:
        server.stop()


@pytest_asyncio.fixture
async def client(server: ApiServer) -> AsyncIterator[Client]:
    async with Client(server.access) as client:
        yield client


@pytest_asyncio.fixture(scope="session")
async def admin(server: ApiServer) -> AsyncIterator[Client]:
    """A cluster's administrator, for fixtures that many tests share."""
    async with Client(server.access) as client:
        yield client


@pytest_asyncio.fixture(scope="session")
async def release(server: ApiServer) -> None:
    await install_release(server)


async def install_release(server: ApiServer) -> None:
    """Bring what the chart brings: the release's namespace, the roles, the admission policies, a plan."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": RELEASE}}
    async with Client(server.access) as client:
        for manifest in (namespace, *rbac(), *chart.admission(), a_plan()):
            await client.apply(manifest)


@pytest_asyncio.fixture
async def world(release: None, client: Client) -> AsyncIterator[World]:
    await client.delete(LEASE)  # what an operator that was killed holds on to
    world = World(client)
    yield world
    await world.remove_all()


@pytest.fixture
def a_name() -> Callable[[str], str]:
    """Return a maker of names that no other test uses."""
    return lambda stem: f"{stem}-{next(_numbers)}"
