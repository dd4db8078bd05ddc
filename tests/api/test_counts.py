"""What homes cost the API server: counted, never timed. `bench.controller` does the same with thousands."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from bench.ladder import audit, climbing, operators, tenants
from bench.ladder import world as worlds
from bench.ladder.operators import Operator

from api.homes import World
from api.server import ApiServer
from insula.domain.manifests import reference

HOMES = 30
REST_S = 5.0


@pytest_asyncio.fixture
async def bench(server: ApiServer, world: World, tmp_path: Path) -> worlds.World:
    operators_access = await worlds.log_in(server, world.client, worlds.OPERATORS)
    return worlds.World(server, world.client, tmp_path, operators_access)


@pytest_asyncio.fixture
async def operator(bench: worlds.World) -> AsyncIterator[Operator]:
    async with operators.running(bench) as operator:
        await operators.until("it leads", operator.is_leading)
        await quiet(bench)
        yield operator


async def quiet(bench: worlds.World) -> None:
    """Wait until what other tests left behind is dealt with."""
    log = audit.Log(bench.server.audit_log)
    wrote = True
    while wrote:
        await asyncio.sleep(1)
        wrote = any(write.is_operators for write in log.writes())


async def test_homes_cost_one_call_an_object_and_a_few_and_nothing_at_rest_nor_after_a_restart(
    bench: worlds.World, world: World, operator: Operator
) -> None:
    world.made += [reference(worlds.tenant(worlds.name_of(number))) for number in range(1, HOMES + 1)]
    async with tenants.watched(bench.client) as watcher:
        rung = await climbing.climb(bench, operator, watcher, HOMES, print, weighings=1)
    assert rung.made == HOMES
    assert rung.over_objects <= rung.transitions / HOMES + 1, rung.calls
    assert await climbing.rest(bench, operator, REST_S, print) == []
    await operator.stop()
    log = audit.Log(bench.server.audit_log)
    async with operators.running(bench, "again") as again:
        await operators.until("it has looked at every home", lambda: again.is_idle(HOMES))
        assert (await again.metrics()).calls().keys() <= {"get secrets", "get configmaps"}
    assert [write for write in log.writes() if write.is_operators] == []
