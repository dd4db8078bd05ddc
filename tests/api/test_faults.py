"""Homes come to be through an API server that fails much of the time."""

import asyncio
import contextlib
import functools
import random
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from api.homes import OPERATOR, World, a_tenant, some_settings, writes_of_operator
from api.server import ApiServer, eventually
from insula.domain import names
from insula.domain.errors import ConflictError, InsulaError, UnavailableError
from insula.kube.client import Client
from insula.kube.config import Access
from insula.kube.requests import Request
from insula.operator.main import Process
from insula.operator.metrics import Metrics

Name = Callable[[str], str]
MODELS = {"gemma3:270m": "sha256:" + "0" * 64}


@dataclass
class Network:
    """How unlucky the calls are, and how many were lost."""

    chance: random.Random
    is_reliable: bool = False
    lost: int = 0


class Unreliable(Client):
    """Loses one call in seven: before it is sent, or with the answer on its way back."""

    def __init__(self, access: Access, network: Network) -> None:
        super().__init__(access)
        self._network = network

    async def _attempt(self, request: Request) -> tuple[int, Mapping[str, str], bytes]:
        network = self._network
        fate = 1.0 if network.is_reliable or request.resource == "leases" else network.chance.random()
        if fate < 0.07:
            raise self._failure(request)
        answer = await super()._attempt(request)
        if fate < 0.14:
            raise self._failure(request)
        return answer

    def _failure(self, request: Request) -> InsulaError:
        self._network.lost += 1
        kind = self._network.chance.choice([UnavailableError, ConflictError])
        return kind(f"{request.verb} {request.path}: lost")


@contextlib.asynccontextmanager
async def operating_through(client: Unreliable, network: Network) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with client:
        task = asyncio.create_task(Process(client, some_settings("unlucky"), Metrics()).run(stop))
        try:
            yield
        finally:
            network.is_reliable = True
            stop.set()
            await task


async def test_homes_are_completed_and_come_to_rest(server: ApiServer, world: World, a_name: Name) -> None:
    homes = [a_name("alice") for _ in range(3)]
    network = Network(random.Random(7))
    async with operating_through(Unreliable(server.access_of(OPERATOR, "nobodies"), network), network):
        for name in homes:
            await world.create(a_tenant(name, ollama={"models": list(MODELS)}))
        for name in homes:
            find = functools.partial(world.find, name, "Deployment", names.OLLAMA, "apps/v1")
            await eventually(find, within_s=40)
        assert network.lost > 10
        network.is_reliable = True
        for name in homes:
            await world.bring_up(name, models=MODELS)
            await world.wait_condition(name, "Ready", "True")
        before = writes_of_operator(server)
        await asyncio.sleep(1)
        assert writes_of_operator(server) == before
