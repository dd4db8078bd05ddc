"""A change goes through many homes at a pace, and is taken back where it breaks one."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest_asyncio

from api.homes import PLATFORM, World, a_plan, a_running_pod, a_tenant, operating
from api.server import ApiServer, eventually
from insula.domain import names
from insula.domain.manifests import Manifest, ObjectRef, reference

Name = Callable[[str], str]
LARGER = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "2Gi"}}
NEW_IMAGE = "localhost/ha:2"


class Street:
    """Some homes of one plan, and hands that restart their pods."""

    def __init__(self, world: World, plan: str, people: list[str]) -> None:
        self.world, self.plan, self.people = world, plan, people

    async def house(self, name: str) -> Manifest:
        return await self.world.wait_for(name, "Deployment", names.HOME_ASSISTANT, "apps/v1")

    async def changed(self) -> list[str]:
        """Return the homes whose Deployment was changed since it was made."""
        return [name for name in self.people if (await self.house(name))["metadata"]["generation"] > 1]

    async def change_plan(self, **spec: Any) -> None:
        ref = ObjectRef(names.API_VERSION, "Plan", "", self.plan)
        await self.world.client.merge_patch(ref, {"spec": spec})

    async def give_more_memory(self) -> None:
        await self.change_plan(defaults={part: {"resources": LARGER} for part in ("homeAssistant", "ollama")})

    async def restart(self, name: str, *, ready: bool = True) -> None:
        """Play the Deployments' controller: pods of the present template in place of the old ones."""
        for component in (names.HOME_ASSISTANT, names.OLLAMA):
            workload = await self.world.wait_for(name, "Deployment", component, "apps/v1")
            pod = f"{component}-{workload['metadata']['uid'][:5]}"
            await self.world.client.delete(ObjectRef("v1", "Pod", names.namespace(name), pod))
            await self.world.wait_gone(name, "Pod", pod)
            status = a_running_pod(component, claimed=component == names.HOME_ASSISTANT)
            if not ready:
                status["conditions"] = [{"type": "Ready", "status": "False"}]
            await self.world.start_pod(workload, **status)

    async def status(self) -> Manifest:
        plan = await self.world.client.get(ObjectRef(names.API_VERSION, "Plan", "", self.plan))
        status: Manifest = plan.get("status", {})
        return status

    async def wait_status(self, **fields: int) -> Manifest:
        async def holds() -> Manifest:
            status = await self.status()
            assert {key: status.get(key) for key in fields} == fields, status
            return status

        return await eventually(holds)


@pytest_asyncio.fixture
async def street(server: ApiServer, world: World, a_name: Name) -> Street:
    """Three homes that are ready, one of which may be down at a time."""
    plan, people = a_name("paced"), [a_name("alice") for _ in range(3)]
    await world.create(a_plan(plan, rollout={"maxUnavailable": 1}))
    async with operating(server):
        for name in people:
            await world.create(a_tenant(name, plan=plan))
        for name in people:
            await world.bring_up(name)
            await world.wait_condition(name, "Ready", "True")
    return Street(world, plan, people)


async def test_a_changed_plan_restarts_one_home_after_the_other(server: ApiServer, street: Street) -> None:
    seen: list[str] = []
    async with operating(server):
        await street.wait_status(tenants=3, updated=3, unavailable=0)
        await street.give_more_memory()
        for number in range(3):

            async def another() -> list[str]:
                return [name for name in await street.changed() if name not in seen]

            (name,) = await eventually(another)
            status = await street.wait_status(tenants=3, updated=number + 1, unavailable=1)
            expected = "Complete" if number == 2 else "Waiting"
            assert status["conditions"][0]["reason"] == expected
            seen.append(name)
            await asyncio.sleep(0.3)
            assert sorted(await street.changed()) == sorted(seen)
            await street.restart(name)
        await street.wait_status(tenants=3, updated=3, unavailable=0)


async def test_a_plan_that_breaks_homes_stops_at_the_first_and_goes_on_where_it_was_after_a_restart(
    server: ApiServer, street: Street
) -> None:
    async with operating(server):
        await street.give_more_memory()
        (first,) = await eventually(street.changed)
        await street.restart(first, ready=False)
    async with operating(server, "second"):
        status = await street.wait_status(updated=1, unavailable=1)
        assert first in status["conditions"][0]["message"]
        assert await street.changed() == [first]
        await street.restart(first)

        async def another() -> bool:
            return len(await street.changed()) > 1

        await eventually(another)


async def test_a_change_of_walls_goes_through_all_homes_at_once(server: ApiServer, street: Street) -> None:
    async with operating(server):
        await street.change_plan(allowedCIDRs=["192.168.7.0/24"])

        async def all_have_it() -> bool:
            spaces = [await street.world.namespace(name) for name in street.people]
            return all(
                "192.168.7" in each["metadata"]["annotations"][names.ANNOTATION_ACCEPTED_SPEC] for each in spaces
            )

        await eventually(all_have_it)
        assert await street.changed() == []
        await street.wait_status(updated=3, unavailable=0)


async def test_another_image_of_the_platform_goes_through_homes_alike_and_is_taken_back(
    server: ApiServer, street: Street
) -> None:
    images = replace(PLATFORM.images, home_assistant=NEW_IMAGE)
    platform = replace(PLATFORM, images=images, upgrade_deadline_s=2.0)

    async def image(name: str) -> str:
        house = await street.house(name)
        return str(house["spec"]["template"]["spec"]["containers"][0]["image"])

    async with operating(server, platform=platform):
        (first,) = await eventually(street.changed)
        assert await image(first) == NEW_IMAGE
        await street.restart(first, ready=False)
        found = await street.world.wait_condition(first, "UpToDate", "False", "RolledBack")
        assert NEW_IMAGE in found["message"]
        assert await image(first) == PLATFORM.images.home_assistant
        await street.restart(first)
        await street.world.wait_condition(first, "Ready", "True")
        await street.wait_status(unavailable=1)
        assert await street.changed() == [first]  # the others keep what runs


async def test_a_plan_at_rest_is_not_written_about(server: ApiServer, street: Street) -> None:
    def writes() -> list[str]:
        return [each["requestURI"] for each in server.writes() if f"/plans/{street.plan}/status" in each["requestURI"]]

    async with operating(server):
        await street.wait_status(updated=3, unavailable=0)
        before = writes()
        await asyncio.sleep(2.5)
        assert writes() == before
    async with operating(server, "second"):
        await asyncio.sleep(2.5)
        assert writes() == before
    assert reference(await street.house(street.people[0])).name == names.HOME_ASSISTANT
