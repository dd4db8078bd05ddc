"""The operator has a home's walls tried, remembers what came of it, and then is silent."""

import asyncio
import json
from collections.abc import Callable

from api.homes import World, a_tenant, operating, settled, writes_of_operator
from api.server import ApiServer
from insula.domain import names

MODELS = {"gemma3:270m": "sha256:" + "0" * 64}
PROBES = [names.probe(names.HOME_ASSISTANT), names.probe(names.OLLAMA)]
GREEN = '{"tried": 7, "seen": [], "open": [], "shut": []}'
PATH = "ollama → kubelet (tcp:10.0.0.1:10250)"
RED = json.dumps({"tried": 7, "open": [PATH], "shut": []})


async def a_home_that_answers(world: World, name: str) -> None:
    await world.create(a_tenant(name, ollama={"models": list(MODELS)}))
    await world.bring_up(name, models=MODELS)


async def test_a_home_that_is_ready_is_tried_once_and_then_left_in_peace(
    server: ApiServer, world: World, a_name: Callable[[str], str]
) -> None:
    alice = a_name("alice")
    async with operating(server):
        await a_home_that_answers(world, alice)
        await world.wait_condition(alice, "Isolated", "Unknown", "NotTried")
        for name in PROBES:
            await world.finish_job(alice, name, GREEN)
        await world.wait_condition(alice, "Isolated", "True", "WallsHold")
        for name in PROBES:
            await world.wait_gone(alice, "Job", name, "batch/v1")
        before = await settled(server)
    async with operating(server, "second"):
        await world.wait_condition(alice, "Isolated", "True")
        await asyncio.sleep(1.0)
        assert writes_of_operator(server)[len(before) :] == []


async def test_an_open_path_is_named_by_condition_and_event(
    server: ApiServer, world: World, a_name: Callable[[str], str]
) -> None:
    alice = a_name("alice")
    async with operating(server):
        await a_home_that_answers(world, alice)
        await world.finish_job(alice, PROBES[0], GREEN)
        await world.finish_job(alice, PROBES[1], RED)
        found = await world.wait_condition(alice, "Isolated", "False", "WallOpen")
        assert PATH in found["message"]
        assert (await world.wait_condition(alice, "Ready", "True"))["reason"] == "Ready"
    noted = (await world.namespace(alice))["metadata"]["annotations"][names.ANNOTATION_WALLS]
    assert json.loads(noted)["open"] == [PATH]
