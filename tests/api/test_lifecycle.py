"""The corners of a home's life: what goes while something else comes."""

import asyncio
import functools
from collections.abc import Callable
from dataclasses import replace

from api.homes import PLATFORM, World, a_tenant, operating
from api.server import ApiServer, eventually
from insula.domain import names
from insula.domain.manifests import ObjectRef, reference
from insula.domain.platform import Brake
from insula.kube import kinds

Name = Callable[[str], str]


async def annotation(world: World, name: str, key: str) -> str:
    return str((await world.namespace(name))["metadata"]["annotations"].get(key, ""))


async def test_when_many_tenants_go_at_once_their_homes_live_on_until_somebody_decides(
    server: ApiServer, world: World, a_name: Name
) -> None:
    people = [a_name("alice") for _ in range(4)]
    async with operating(server):
        tenants = [await world.create(a_tenant(name)) for name in people]
        for name in people:
            await world.wait_for(name, "Deployment", names.HOME_ASSISTANT, "apps/v1")
    for tenant in tenants:
        await world.client.delete(reference(tenant))
    braked = replace(PLATFORM, brake=Brake(homes=2))
    async with operating(server, platform=braked):
        for name in people:
            await eventually(functools.partial(annotation, world, name, names.ANNOTATION_HELD_SINCE))
    async with operating(server, "second", platform=braked):  # another leader does not forget
        goes, returns, *others = people
        uid = await annotation(world, goes, names.ANNOTATION_TENANT_UID)
        confirmed = {"metadata": {"annotations": {names.ANNOTATION_DEPARTURE_CONFIRMED: uid}}}
        await world.client.merge_patch(ObjectRef("v1", "Namespace", "", names.namespace(goes)), confirmed)
        await world.wait_gone(goes, "Deployment", names.HOME_ASSISTANT, "apps/v1")
        identity = (await world.namespace(returns))["metadata"]["labels"][names.LABEL_TENANT_ID]
        await world.create(a_tenant(returns, adopt=identity))
        await world.wait_condition(returns, "Accepted", "True")
    for name in (returns, *others):
        house = await world.wait_for(name, "Deployment", names.HOME_ASSISTANT, "apps/v1")
        assert house["metadata"]["generation"] == 1
    events = (await world.client.list(kinds.EVENT, namespace="default")).items
    told = [each["regarding"]["name"] for each in events if each["reason"] == "DeletionBraked"]
    assert [told.count(names.namespace(name)) for name in people] == [1, 1, 1, 1]


async def test_nothing_of_a_home_is_owned_by_its_tenant_or_waits_for_a_finalizer_of_ours(
    server: ApiServer, world: World, a_name: Name
) -> None:
    alice = a_name("alice")
    async with operating(server):
        await world.create(a_tenant(alice, ollama={"models": ["gemma3:270m"]}))
        await world.bring_up(alice)
        await world.wait_condition(alice, "RouteReady", "True")
    tenant = await world.tenant(alice)
    assert "finalizers" not in tenant["metadata"]
    owned = [await world.namespace(alice)]
    for kind in kinds._ALL:
        if kind.namespaced and kind.kind not in ("Pod", "Event", "Issuer"):
            owned += (await world.client.list(kind, namespace=names.namespace(alice))).items
    ours = [each for each in owned if names.LABEL_TENANT in each["metadata"].get("labels", {})]
    assert len(ours) > 20
    for each in ours:
        assert "ownerReferences" not in each["metadata"], reference(each)
        finalizers = each["metadata"].get("finalizers", [])
        assert [one for one in finalizers if names.GROUP in one] == [], reference(each)


async def test_a_tenant_that_goes_while_its_home_is_made_leaves_nothing_that_runs(
    server: ApiServer, world: World, a_name: Name
) -> None:
    people = [a_name("brief") for _ in range(5)]
    async with operating(server):
        for name in people:
            tenant = await world.create(a_tenant(name))
            await asyncio.sleep(0.01)
            await world.client.delete(reference(tenant))
        last = a_name("last")
        await world.create(a_tenant(last))
        await world.wait_for(last, "Deployment", names.HOME_ASSISTANT, "apps/v1")

        async def at_rest() -> bool:
            for name in people:
                space = await world.client.find(ObjectRef("v1", "Namespace", "", names.namespace(name)))
                if space is None:
                    continue
                assert names.ANNOTATION_RETAINED_SINCE in space["metadata"]["annotations"], name
                for kind in ("Deployment", "Ingress"):
                    version = "apps/v1" if kind == "Deployment" else "networking.k8s.io/v1"
                    listed = await world.client.list(kinds.of(version, kind), namespace=names.namespace(name))
                    assert listed.items == [], name
            return True

        await eventually(at_rest)


async def test_a_tenant_made_while_the_old_namespace_goes_gets_a_new_home_afterwards(
    server: ApiServer, world: World, a_name: Name
) -> None:
    alice = a_name("alice")
    space = ObjectRef("v1", "Namespace", "", names.namespace(alice))
    async with operating(server):
        old = await world.create(a_tenant(alice))
        await world.wait_for(alice, "Deployment", names.HOME_ASSISTANT, "apps/v1")
        await world.client.delete(reference(old))
        await world.client.delete(space)  # nothing here empties it, so it stays in Terminating
        await world.create(a_tenant(alice))
        found = await world.wait_condition(alice, "NamespaceReady", "False", "Terminating")
        assert names.namespace(alice) in found["message"]
        said = {"type": "NamespaceContentRemaining", "status": "True", "message": "some pods remain", "reason": "Some"}
        await world.say(space, conditions=[said | {"lastTransitionTime": "2026-01-01T00:00:00Z"}])

        async def names_what_holds_it() -> bool:
            return "some pods remain" in (await world.condition(alice, "NamespaceReady"))["message"]

        await eventually(names_what_holds_it)
        assert (await world.namespace(alice))["metadata"]["labels"][names.LABEL_TENANT_ID] == old["metadata"]["uid"]
