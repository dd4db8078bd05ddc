"""One API server for all tests of this layer; each test takes names of its own."""

import itertools
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from api.homes import LEASE, World
from api.installed import a_server, install_release
from api.server import ApiServer
from insula.kube.client import Client

_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ApiServer]:
    async with a_server(tmp_path_factory.mktemp("api")) as server:
        yield server


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
async def release(admin: Client) -> None:
    """What the chart brings: the release's namespace, the roles, the admission policies, a plan."""
    await install_release(admin)


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
