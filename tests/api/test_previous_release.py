"""What was stored under the previous release's definitions lives on under today's, and without any.

`previous/` holds the definitions as the release before this one shipped them. Replace them when a release is made.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from api import programs
from api.homes import PLATFORM, RELEASE, World, a_plan, a_tenant, operating, rbac
from api.server import ApiServer, eventually, install
from insula.contract import crds
from insula.domain import names
from insula.domain.manifests import Manifest, ObjectRef, reference
from insula.domain.platform import Brake
from insula.kube.client import Client

HERE = Path(__file__).parent
PEOPLE = ("alice", "bob", "carol")
BRAKED = replace(PLATFORM, brake=Brake(homes=1))
EVERYTHING = {
    "homeAssistant": {"resources": {"cpu": "1", "memory": "1Gi"}, "storageGiB": 10, "configuration": "sun:\n"},
    "ollama": {"models": ["gemma3:270m"], "storageGiB": 10, "gpu": 0},
    "access": {"host": "home.free.test"},
    "deletionPolicy": "Retain",
    "suspended": False,
}


def previous() -> list[Manifest]:
    return [yaml.safe_load((HERE / "previous" / f"{kind}.yaml").read_text()) for kind in ("tenants", "plans")]


@pytest_asyncio.fixture(scope="module")
async def old_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ApiServer]:
    """A cluster as the previous release left it."""
    server = ApiServer(await programs.find(), tmp_path_factory.mktemp("previous"))
    try:
        await server.start()
        certificates = yaml.safe_load((HERE / "certificate-crd.yaml").read_text())
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": RELEASE}}
        async with Client(server.access) as client:
            await install(client, [*previous(), certificates])
            for manifest in (namespace, *rbac(), a_plan()):
                await client.apply(manifest)
        yield server
    finally:
        server.stop()


async def houses(world: World) -> list[tuple[str, int]]:
    """Return UID and generation of each Deployment: another one of either is a restart."""
    found = []
    for name in PEOPLE:
        for component in (names.HOME_ASSISTANT, names.OLLAMA):
            live = await world.wait_for(name, "Deployment", component, "apps/v1")
            found.append((live["metadata"]["uid"], live["metadata"]["generation"]))
    return found


async def test_homes_outlive_the_definitions_that_their_tenants_were_stored_under(old_server: ApiServer) -> None:
    async with Client(old_server.access) as client:
        world = World(client)
        async with operating(old_server):
            await client.create(a_tenant("alice", **EVERYTHING))
            for name in PEOPLE[1:]:
                await client.create(a_tenant(name))
            for name in PEOPLE:
                await world.bring_up(name, models={"gemma3:270m": "sha256:1"} if name == "alice" else None)
                await world.wait_condition(name, "Ready", "True")
        before = await houses(world)
        stored = (await world.tenant("alice"))["spec"]

        # Today's definitions: what is stored is valid, and nothing restarts.
        await install(client, [crds.tenant_crd(), crds.plan_crd()])
        async with operating(old_server, "second"):
            tenant = await world.tenant("alice")
            assert tenant["spec"] == stored
            await client.merge_patch(reference(tenant), {"metadata": {"labels": {"example.com/seen": "yes"}}})
            for name in PEOPLE:
                await world.wait_condition(name, "Ready", "True")

            async def is_counted() -> bool:
                plan = await client.get(ObjectRef(names.API_VERSION, "Plan", "", "standard"))
                return bool(plan.get("status", {}).get("tenants") == len(PEOPLE))

            await eventually(is_counted)
        assert await houses(world) == before

        # None at all, by mistake: the Tenants are gone, the homes are not.
        async with operating(old_server, "third", platform=BRAKED):
            await client.delete(reference(crds.tenant_crd()))

            async def are_held() -> bool:
                spaces = [await world.namespace(name) for name in PEOPLE]
                return all(names.ANNOTATION_HELD_SINCE in each["metadata"]["annotations"] for each in spaces)

            await eventually(are_held, within_s=20)
            assert await houses(world) == before

        # Back again: each is given its home, which ran all the while.
        await install(client, [crds.tenant_crd()])
        async with operating(old_server, "fourth", platform=BRAKED):
            for name in PEOPLE:
                identity = (await world.namespace(name))["metadata"]["labels"][names.LABEL_TENANT_ID]
                extra = EVERYTHING if name == "alice" else {}
                await client.create(a_tenant(name, adopt=identity, **extra))
                await world.wait_condition(name, "HomeAssistantReady", "True")
        assert await houses(world) == before
