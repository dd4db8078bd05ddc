"""Sleep and wake between an operator and a gateway with the rights that the chart gives them."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from api.homes import RELEASE, World, a_running_pod, a_tenant, operating
from api.server import ApiServer, eventually
from insula.domain import names
from insula.domain.activity import API_VERSION, KIND, Activity, SleepState
from insula.domain.errors import ConflictError, InsulaError
from insula.domain.manifests import ObjectRef, reference
from insula.kube import kinds
from insula.kube.client import Client

Name = Callable[[str], str]
MODELS = {"gemma3:270m": "sha256:" + "0" * 64}
GATEWAY = f"system:serviceaccount:{RELEASE}:insula-gateway"
SOONEST = "10s"  # that a home may let its Ollama sleep


def lease_of(tenant: str) -> ObjectRef:
    return ObjectRef(API_VERSION, KIND, names.namespace(tenant), names.ACTIVITY)


@pytest_asyncio.fixture
async def gateway(server: ApiServer) -> AsyncIterator[Client]:
    async with Client(server.access_of(GATEWAY, "system:authenticated")) as client:
        yield client


async def ask(gateway: Client, seen: Activity, tenant: str) -> Activity:
    """Say on a home's Lease that somebody asks, as a gateway does that has seen it so."""
    return Activity.of(await gateway.merge_patch(lease_of(tenant), seen.asked(datetime.now(UTC))))


async def test_an_ollama_falls_asleep_and_a_gateway_wakes_it(
    server: ApiServer, world: World, gateway: Client, a_name: Name
) -> None:
    alice = a_name("alice")

    async def look() -> Activity:
        return Activity.of(await gateway.get(lease_of(alice)))

    async def has_replicas(count: int) -> bool:
        found = await world.wait_for(alice, "Deployment", names.OLLAMA, "apps/v1")
        return bool(found["spec"]["replicas"] == count)

    async def is_awake() -> bool:
        return (await look()).state is SleepState.AWAKE

    async with operating(server):
        await world.create(a_tenant(alice, ollama={"models": list(MODELS), "sleepAfter": SOONEST}))
        await world.bring_up(alice, models=MODELS)
        await world.wait_condition(alice, "Ready", "True")
        await world.wait_condition(alice, "OllamaReady", "True", "Asleep")
        await eventually(lambda: has_replicas(0))
        await stop_ollama(world, alice)
        seen = await look()
        assert (await ask(gateway, seen, alice)).state is SleepState.WANTED
        with pytest.raises(ConflictError):  # it was written since
            await ask(gateway, seen, alice)
        await eventually(lambda: has_replicas(1))
        ollama = await world.wait_for(alice, "Deployment", names.OLLAMA, "apps/v1")
        await world.start_pod(ollama, **a_running_pod(names.OLLAMA))
        await eventually(is_awake)
        await world.wait_condition(alice, "OllamaReady", "True", "Running")


async def stop_ollama(world: World, tenant: str) -> None:
    """Do what the controllers do when there is to be no pod."""
    for pod in (await world.client.list(kinds.POD, namespace=names.namespace(tenant))).items:
        if pod["metadata"]["labels"].get(names.LABEL_COMPONENT) == names.OLLAMA:
            await world.client.delete(reference(pod))
    deployment = await world.wait_for(tenant, "Deployment", names.OLLAMA, "apps/v1")
    await world.say(reference(deployment), observedGeneration=deployment["metadata"]["generation"])


async def test_a_gateway_writes_no_lease_of_a_home_that_does_not_sleep(
    server: ApiServer, world: World, gateway: Client, a_name: Name
) -> None:
    alice = a_name("alice")
    async with operating(server):
        await world.create(a_tenant(alice))
        await world.wait_for(alice, "Deployment", names.OLLAMA, "apps/v1")
    with pytest.raises(InsulaError):
        await ask(gateway, Activity(), alice)
