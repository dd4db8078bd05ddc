"""From a Tenant to a home and back, as far as an API server without nodes goes."""

import asyncio
import base64
from collections.abc import Callable

import pytest

from api.homes import OPERATOR, PLATFORM, RELEASE, World, a_plan, a_tenant, operating, settled, writes_of_operator
from api.server import ApiServer, eventually
from insula.domain import names
from insula.domain.manifests import ObjectRef, reference
from insula.kube import kinds
from insula.kube.answers import ForbiddenError
from insula.kube.client import Client

Name = Callable[[str], str]
MODELS = {"gemma3:270m": "sha256:" + "0" * 64}


async def test_a_tenant_becomes_a_home_that_is_ready(server: ApiServer, world: World, a_name: Name) -> None:
    alice = a_name("alice")
    async with operating(server):
        tenant = await world.create(a_tenant(alice, ollama={"models": list(MODELS)}))
        await world.wait_condition(alice, "Accepted", "True")
        await world.wait_condition(alice, "Claimed", "False")
        assert await world.find(alice, "Ingress", names.HOME_ASSISTANT, "networking.k8s.io/v1") is None
        await world.bring_up(alice, models=MODELS)
        await world.wait_condition(alice, "Ready", "True")
    namespace = await world.namespace(alice)
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert namespace["metadata"]["labels"][names.LABEL_TENANT_ID] == tenant["metadata"]["uid"]
    ingress = await world.wait_for(alice, "Ingress", names.HOME_ASSISTANT, "networking.k8s.io/v1")
    assert ingress["spec"]["rules"][0]["host"] == f"ha.{alice}.homes.test"


async def test_a_restarted_operator_writes_nothing_where_nothing_changed(
    server: ApiServer, world: World, a_name: Name
) -> None:
    alice = a_name("alice")
    async with operating(server):
        await world.create(a_tenant(alice, ollama={"models": list(MODELS)}))
        await world.bring_up(alice, models=MODELS)
        await world.wait_condition(alice, "Ready", "True")
        before = await settled(server)
    async with operating(server, "second"):
        await settled(server)
        assert writes_of_operator(server)[len(before) :] == []


async def test_the_secrets_are_made_once_and_never_again(server: ApiServer, world: World, a_name: Name) -> None:
    alice = a_name("alice")
    async with operating(server):
        await world.create(a_tenant(alice))
        await world.wait_for(alice, "Deployment", names.HOME_ASSISTANT, "apps/v1")
        first = await world.wait_for(alice, "Secret", names.SECRET_RESIDENT_ACCOUNT)
    async with operating(server, "second"):
        await settled(server)
    again = await world.wait_for(alice, "Secret", names.SECRET_RESIDENT_ACCOUNT)
    assert again["data"] == first["data"]
    assert base64.b64decode(first["data"]["username"]).decode() == alice
    key = await world.wait_for(alice, "Secret", names.SECRET_GATEWAY_KEY)
    identity = (await world.namespace(alice))["metadata"]["labels"][names.LABEL_TENANT_ID]
    assert base64.b64decode(key["data"]["key"]).decode().split(".")[1:3] == [identity, "1"]


async def test_the_verify_keys_are_published_and_come_back(server: ApiServer, world: World) -> None:
    ref = ObjectRef("v1", "ConfigMap", RELEASE, "insula-verify-keys")
    async with operating(server):
        first = await eventually(lambda: world.client.find(ref))
    await world.client.delete(ref)
    async with operating(server):
        again = await eventually(lambda: world.client.find(ref))
    assert first is not None
    assert again is not None
    assert first["data"] == again["data"]


async def test_what_drifts_is_repaired(server: ApiServer, world: World, a_name: Name) -> None:
    alice = a_name("alice")
    policies = kinds.of("networking.k8s.io/v1", "NetworkPolicy")
    async with operating(server):
        await world.create(a_tenant(alice))
        house = await world.wait_for(alice, "Deployment", names.HOME_ASSISTANT, "apps/v1")
        container = {**house["spec"]["template"]["spec"]["containers"][0], "image": "somebody/else:1"}
        drift = {"spec": {"replicas": 3, "template": {"spec": {"containers": [container]}}}}
        await world.client.merge_patch(reference(house), drift)
        listing = await world.client.list(policies, namespace=names.namespace(alice))
        wall = reference(listing.items[0])
        await world.client.delete(wall)

        async def repaired() -> bool:
            live = (await world.client.get(reference(house)))["spec"]
            image = live["template"]["spec"]["containers"][0]["image"]
            is_house_back = (live["replicas"], image) == (1, PLATFORM.images.home_assistant)
            return is_house_back and await world.client.find(wall) is not None

        await eventually(repaired)


async def test_what_others_add_to_our_objects_stays(server: ApiServer, world: World, a_name: Name) -> None:
    alice = a_name("alice")
    async with operating(server):
        await world.create(a_tenant(alice))
        house = reference(await world.wait_for(alice, "Deployment", names.HOME_ASSISTANT, "apps/v1"))
        await settled(server)
        await world.client.merge_patch(house, {"metadata": {"annotations": {"backup.example.com/keep": "yes"}}})
        count = len(await settled(server))
        assert (await world.client.get(house))["metadata"]["annotations"]["backup.example.com/keep"] == "yes"
        assert len(await settled(server)) == count


async def test_what_is_no_longer_asked_for_goes(server: ApiServer, world: World, a_name: Name) -> None:
    alice = a_name("alice")
    async with operating(server):
        tenant = await world.create(a_tenant(alice, ollama={"models": list(MODELS)}))
        claim = await world.wait_for(alice, "PersistentVolumeClaim", names.OLLAMA_MODELS)
        await world.say(reference(claim), phase="Bound")
        await world.wait_for(alice, "Job", names.PULL, "batch/v1")
        await world.client.merge_patch(reference(tenant), {"spec": {"ollama": {"models": []}}})
        await world.wait_gone(alice, "Job", names.PULL, "batch/v1")


async def test_a_rejected_spec_leaves_the_accepted_one_running(server: ApiServer, world: World, a_name: Name) -> None:
    alice = a_name("alice")
    async with operating(server):
        tenant = await world.create(a_tenant(alice))
        house = await world.wait_for(alice, "Deployment", names.HOME_ASSISTANT, "apps/v1")
        await world.wait_condition(alice, "Accepted", "True")
        changes = {"homeAssistant": {"resources": {"memory": "64Gi"}}}
        await world.client.merge_patch(reference(tenant), {"spec": changes})
        found = await world.wait_condition(alice, "Accepted", "False", "CeilingExceeded")
        assert "64" in found["message"] or "65536" in found["message"]
        await world.client.delete(reference(house))  # what runs is kept running, too
        again = await world.wait_for(alice, "Deployment", names.HOME_ASSISTANT, "apps/v1")
    assert again["spec"]["template"]["spec"]["containers"] == house["spec"]["template"]["spec"]["containers"]


async def test_a_plan_that_comes_later_is_noticed(server: ApiServer, world: World, a_name: Name) -> None:
    alice, plan = a_name("alice"), a_name("late")
    async with operating(server):
        await world.create(a_tenant(alice, plan=plan))
        await world.wait_condition(alice, "Accepted", "False", "PlanMissing")
        await world.create(a_plan(plan))
        await world.wait_condition(alice, "Accepted", "True")


async def test_of_two_tenants_with_one_host_the_older_has_it(server: ApiServer, world: World, a_name: Name) -> None:
    alice, bob = a_name("alice"), a_name("bob")
    host = f"{alice}.free.test"
    async with operating(server):
        older = await world.create(a_tenant(alice, access={"host": host}))
        await asyncio.sleep(1.05)  # creation times have whole seconds
        await world.create(a_tenant(bob, access={"host": host}))
        await world.wait_condition(alice, "Accepted", "True")
        await world.wait_condition(bob, "Accepted", "False", "HostTaken")
        await world.client.merge_patch(reference(older), {"spec": {"access": {"host": None}}})
        await world.wait_condition(bob, "Accepted", "True")


async def test_a_deleted_tenant_keeps_its_data(server: ApiServer, world: World, a_name: Name) -> None:
    alice = a_name("alice")
    async with operating(server):
        tenant = await world.create(a_tenant(alice))
        await world.wait_for(alice, "Deployment", names.HOME_ASSISTANT, "apps/v1")
        await world.client.delete(reference(tenant))
        await world.wait_gone(alice, "Deployment", names.HOME_ASSISTANT, "apps/v1")
        await settled(server)
    namespace = await world.namespace(alice)
    assert "deletionTimestamp" not in namespace["metadata"]
    assert names.ANNOTATION_RETAINED_SINCE in namespace["metadata"]["annotations"]
    volume = await world.wait_for(alice, "PersistentVolumeClaim", names.HOME_ASSISTANT_CONFIG)
    assert "deletionTimestamp" not in volume["metadata"]


async def test_a_tenant_made_again_gets_the_old_data_only_by_adoption(
    server: ApiServer, world: World, a_name: Name
) -> None:
    alice = a_name("alice")
    async with operating(server):
        old = await world.create(a_tenant(alice))
        await world.wait_for(alice, "Deployment", names.HOME_ASSISTANT, "apps/v1")
        await world.client.delete(reference(old))
        await world.wait_gone(alice, "Deployment", names.HOME_ASSISTANT, "apps/v1")
        await world.create(a_tenant(alice))
        await world.wait_condition(alice, "Accepted", "False", "RetainedDataInTheWay")
        await world.client.delete(reference(old))
        await world.create(a_tenant(alice, adopt=old["metadata"]["uid"]))
        await world.wait_condition(alice, "Accepted", "True")
        await world.wait_for(alice, "Deployment", names.HOME_ASSISTANT, "apps/v1")


async def test_data_are_removed_where_that_was_agreed(server: ApiServer, world: World, a_name: Name) -> None:
    alice = a_name("alice")
    async with operating(server):
        tenant = await world.create(a_tenant(alice, deletionPolicy="Delete"))
        await world.wait_for(alice, "Deployment", names.HOME_ASSISTANT, "apps/v1")
        await world.client.delete(reference(tenant))

        async def remembers() -> bool:
            return names.ANNOTATION_RETAINED_SINCE in (await world.namespace(alice))["metadata"]["annotations"]

        async def leaves() -> bool:
            return "deletionTimestamp" in (await world.namespace(alice))["metadata"]

        await eventually(remembers)
        assert not await leaves(), "a moment passes before anything is destroyed"
        long_ago = {"metadata": {"annotations": {names.ANNOTATION_RETAINED_SINCE: "2026-01-01T00:00:00Z"}}}
        await world.client.merge_patch(ObjectRef("v1", "Namespace", "", names.namespace(alice)), long_ago)
        await eventually(leaves)


async def test_a_tenant_that_cannot_be_built_holds_up_no_other(server: ApiServer, world: World, a_name: Name) -> None:
    broken, alice = a_name("broken"), a_name("alice")
    foreign = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.namespace(broken)}}
    await world.client.apply(foreign)
    async with operating(server):
        await world.create(a_tenant(broken))
        await world.create(a_tenant(alice))
        await world.wait_condition(broken, "Accepted", "False", "NamespaceTaken")
        await world.wait_for(alice, "Deployment", names.HOME_ASSISTANT, "apps/v1")
    live = await world.namespace(broken)
    assert names.LABEL_TENANT not in live["metadata"].get("labels", {})


async def test_what_happened_is_told_as_events(server: ApiServer, world: World, a_name: Name) -> None:
    alice = a_name("alice")
    async with operating(server):
        tenant = await world.create(a_tenant(alice))
        await world.wait_condition(alice, "Accepted", "True")

        async def told() -> list[str]:
            events = (await world.client.list(kinds.EVENT, namespace="default")).items
            return [each["reason"] for each in events if each["regarding"].get("uid") == tenant["metadata"]["uid"]]

        assert "ApplyFailed" not in await eventually(told)


async def test_the_operator_may_not_read_a_secret_of_somebody_else(server: ApiServer, world: World) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "gateway-key", "namespace": "default"}}
    await world.client.apply(secret)
    async with Client(server.access_of(OPERATOR, "system:authenticated")) as operator:
        with pytest.raises(ForbiddenError):
            await operator.get(reference(secret))
