"""Homes come to be, and come to rest, through an API server that fails in every way that one can."""

import asyncio
import random
from collections.abc import Callable

import pytest

from api import proxy
from api.homes import QUICK, World, a_tenant
from api.operators import Supervised, second_pass, supervised
from api.proxy import Call, Fate
from api.server import ApiServer
from insula.domain import names
from insula.domain.manifests import reference
from insula.operator.settings import Settings

Name = Callable[[str], str]
MODELS = {"gemma3:270m": "sha256:" + "0" * 64}
BACK_SOON = Fate(answer=429, headers={"Retry-After": "0"})
WORKERS = Settings.workers


async def make(world: World, name: str) -> None:
    await world.create(a_tenant(name, ollama={"models": list(MODELS)}))


async def complete(world: World, name: str) -> None:
    await world.bring_up(name, models=MODELS)
    await world.wait_condition(name, "Ready", "True")


def first(count: int, fate: Fate, chosen: Callable[[Call], bool]) -> proxy.Script:
    """Return a script in which the first calls of a kind have a fate, and all others pass."""
    left = [count]

    def script(call: Call) -> Fate:
        if left[0] and chosen(call):
            left[0] -= 1
            return fate
        return proxy.PASS

    return script


async def test_homes_are_completed_through_a_storm_of_faults_and_come_to_rest(
    server: ApiServer, world: World, a_name: Name
) -> None:
    chance = random.Random(7)
    fates = [proxy.CONFLICT, BACK_SOON, proxy.BROKEN, proxy.AWAY, proxy.LOST, proxy.DONE_BUT_LOST, Fate(late_s=0.05)]

    def storm(call: Call) -> Fate:
        return chance.choice(fates) if not call.is_of_lease and chance.random() < 0.15 else proxy.PASS

    homes = [a_name("alice") for _ in range(3)]
    async with supervised(server) as operator:
        operator.proxy.script = storm
        for name in homes:
            await make(world, name)
        for name in homes:
            await complete(world, name)
        operator.proxy.script = proxy.all_passes
        await operator.rest()
        # Three homes are some 150 writes; what is lost is tried again, and not more often than that.
        assert sum(call.writes and call.tenant in homes for call in operator.proxy.calls) < 400
    assert await second_pass(server) == []


@pytest.mark.parametrize("fate", [proxy.CONFLICT, proxy.BROKEN, proxy.AWAY, proxy.BUSY, proxy.LOST, proxy.SILENT])
async def test_a_home_whose_deployment_fails_for_a_while_holds_up_no_other(
    server: ApiServer, world: World, a_name: Name, fate: Fate
) -> None:
    unlucky, alice = a_name("unlucky"), a_name("alice")
    async with supervised(server) as operator:
        operator.proxy.script = lambda call: (
            fate if call.tenant == unlucky and call.path.endswith(f"/deployments/{names.OLLAMA}") else proxy.PASS
        )
        await make(world, unlucky)
        await world.wait_for(unlucky, "Deployment", names.HOME_ASSISTANT, "apps/v1")
        await make(world, alice)
        await complete(world, alice)
        assert await world.find(unlucky, "Deployment", names.OLLAMA, "apps/v1") is None
        operator.proxy.script = proxy.all_passes
        await complete(world, unlucky)


async def test_a_server_that_asks_for_patience_is_not_hammered(server: ApiServer, world: World, a_name: Name) -> None:
    refused: list[str] = []

    def busy(call: Call) -> Fate:
        if not call.writes:
            return proxy.PASS
        refused.append(str(call))
        return proxy.BUSY

    clock = asyncio.get_running_loop().time
    async with supervised(server) as operator:
        await operator.rest()
        operator.proxy.script = busy
        started = clock()
        homes = [a_name("alice") for _ in range(2 * WORKERS)]
        for name in homes:
            await world.create(a_tenant(name))
        await asyncio.sleep(2.5)
        # Each worker asks once a second, for that is what it was told, and so does who writes the Plan's status.
        assert 0 < len(refused) <= (WORKERS + 1) * (clock() - started + 1)
        operator.proxy.script = proxy.all_passes
        for name in homes:
            await world.wait_for(name, "Deployment", names.OLLAMA, "apps/v1")


async def test_what_changed_while_all_watches_were_broken_is_seen(
    server: ApiServer, world: World, a_name: Name
) -> None:
    alice, bob = a_name("alice"), a_name("bob")
    async with supervised(server) as operator:
        await make(world, alice)
        house = reference(await world.wait_for(alice, "Deployment", names.HOME_ASSISTANT, "apps/v1"))
        await operator.rest()
        operator.proxy.script = lambda call: proxy.AWAY if call.is_watch else proxy.PASS
        operator.proxy.drop_watches()
        await world.client.delete(house)
        await make(world, bob)
        operator.proxy.script = proxy.all_passes
        await world.wait_for(alice, "Deployment", names.HOME_ASSISTANT, "apps/v1")
        await world.wait_for(bob, "Deployment", names.HOME_ASSISTANT, "apps/v1")


async def test_watches_whose_past_is_gone_are_listed_anew_once(server: ApiServer, world: World, a_name: Name) -> None:
    alice = a_name("alice")
    async with supervised(server) as operator:
        await make(world, alice)
        house = reference(await world.wait_for(alice, "Deployment", names.HOME_ASSISTANT, "apps/v1"))
        await operator.rest()
        expired: set[str] = set()

        def once(call: Call) -> Fate:
            if not call.is_watch or call.path in expired:
                return proxy.PASS
            expired.add(call.path)
            return proxy.EXPIRED

        listed_before = lists(operator)
        operator.proxy.script = once
        operator.proxy.drop_watches()
        await world.client.delete(house)
        await world.wait_for(alice, "Deployment", names.HOME_ASSISTANT, "apps/v1")
        await operator.rest()
        assert lists(operator) - listed_before == len(expired) > 10


def lists(operator: Supervised) -> int:
    """Count the lists that the operator began; each may take several pages."""
    plural = {call.path for call in operator.proxy.calls if call.is_watch}
    begun = (call for call in operator.proxy.calls if not call.is_watch and "continue" not in call.query)
    return sum(call.path in plural for call in begun)


async def test_a_home_of_which_half_was_applied_is_completed(server: ApiServer, world: World, a_name: Name) -> None:
    alice = a_name("alice")
    async with supervised(server) as operator:
        is_house = lambda call: call.writes and call.tenant == alice and "/services/" in call.path  # noqa: E731
        operator.proxy.script = first(3, proxy.BROKEN, is_house)
        await make(world, alice)
        await complete(world, alice)
        await operator.rest()
    assert await second_pass(server) == []


async def test_homes_come_to_be_although_etcd_is_slow(server: ApiServer, world: World, a_name: Name) -> None:
    homes = [a_name("alice") for _ in range(4)]
    async with supervised(server) as operator:
        await operator.rest()
        operator.proxy.script = lambda call: Fate(late_s=0.0 if call.is_watch else 0.15)
        for name in homes:
            await make(world, name)
        for name in homes:
            await world.wait_for(name, "Deployment", names.OLLAMA, "apps/v1")
        assert operator.starts == 1, "slow is not lost"
        assert not [call for call in operator.proxy.calls if call.status == 409], "no call was sent twice"


async def test_an_etcd_that_stands_still_for_a_while_is_outlived(server: ApiServer, world: World, a_name: Name) -> None:
    alice = a_name("alice")
    async with supervised(server) as operator:
        await operator.rest()
        with server.frozen_etcd():
            await asyncio.sleep(3)
        await make(world, alice)
        await world.wait_for(alice, "Deployment", names.OLLAMA, "apps/v1")
        await operator.rest()
    assert await second_pass(server) == []


async def test_a_server_that_answers_nothing_for_a_while_costs_the_lease_and_no_more(
    server: ApiServer, world: World, a_name: Name
) -> None:
    alice = a_name("alice")
    async with supervised(server, QUICK) as operator:
        await operator.rest()
        operator.proxy.script = lambda _call: proxy.SILENT
        operator.proxy.drop_watches()
        await make(world, alice)
        await asyncio.sleep(3)
        operator.proxy.script = proxy.all_passes
        await world.wait_for(alice, "Deployment", names.OLLAMA, "apps/v1")
        assert operator.starts > 1
        await operator.rest()
    assert await second_pass(server) == []
