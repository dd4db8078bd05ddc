"""Operators are killed, frozen and replaced while they work: nothing is lost, nothing is written twice or too late."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from api import proxy
from api.homes import OPERATOR, World, a_tenant
from api.installed import a_server, install_release
from api.operators import forget_the_leader, second_pass, started, supervised
from api.proxy import Call, Fate, Proxy
from api.server import ApiServer, eventually
from insula.domain import names
from insula.domain.manifests import ObjectRef, reference
from insula.kube.client import Client
from insula.kube.kinds import Kind
from insula.reconcile.model import OWNED_KINDS, SecretKind

Name = Callable[[str], str]
HOMES = 100


def a_proxy(server: ApiServer) -> Proxy:
    return Proxy(server.access_of(OPERATOR, "system:authenticated"))


class LastWrites:
    """Makes so many objects of each tenant; of the last one, and of all after it, no answer comes.

    How often a status is written on the way depends on what was seen when, so it does not count.
    """

    def __init__(self, limits: Mapping[str, int]) -> None:
        self._limits = limits
        self.done: Counter[str] = Counter()

    def __call__(self, call: Call) -> Fate:
        limit = self._limits.get(call.tenant)
        if limit is None or not call.writes:
            return proxy.PASS
        if self.done[call.tenant] >= limit:
            return proxy.SILENT
        if not makes_an_object(call):
            return proxy.PASS
        self.done[call.tenant] += 1
        return proxy.DONE_BUT_SILENT if self.done[call.tenant] == limit else proxy.PASS

    async def are_all_done(self) -> bool:
        return all(self.done[name] == limit for name, limit in self._limits.items())


def makes_an_object(call: Call) -> bool:
    return call.writes and not call.path.endswith("/status")


async def objects_of(client: Client, tenant: str) -> set[tuple[str, str]]:
    """Return kind and name of all that a home is made of."""
    namespace, found = names.namespace(tenant), set()
    for owned in OWNED_KINDS:
        kind = Kind(owned.api_version, owned.kind, owned.plural, owned.namespaced)
        listing = await client.list(kind, namespace=namespace, selector=names.LABEL_TENANT)
        found |= {(owned.kind, item["metadata"]["name"]) for item in listing.items}
    for secret in SecretKind:
        if await client.find(ObjectRef("v1", "Secret", namespace, secret.value)):
            found.add(("Secret", secret.value))
    return found


async def test_killed_after_any_write_of_a_creation_the_next_one_makes_the_same_home(
    server: ApiServer, world: World, a_name: Name, tmp_path: Path
) -> None:
    whole = a_name("whole")
    async with supervised(server) as operator:
        await world.create(a_tenant(whole))
        await world.wait_for(whole, "Certificate", names.HOME_ASSISTANT, "cert-manager.io/v1")
        await operator.rest()
        count = sum(makes_an_object(call) and call.tenant == whole for call in operator.proxy.calls)
    assert count > len(OWNED_KINDS)
    homes = {a_name("killed"): number for number in range(1, count + 1)}
    between = a_proxy(server)
    between.script = last_writes = LastWrites(homes)
    async with between.serving() as access, started(access, tmp_path / "first", "--workers", "64") as doomed:
        for name in homes:
            await world.create(a_tenant(name))
        await eventually(last_writes.are_all_done)
        await doomed.kill()
    await forget_the_leader(world.client)
    async with supervised(server) as operator:
        await operator.rest()
        expected = await objects_of(world.client, whole)
        for name, writes in homes.items():
            await world.wait_condition(name, "Accepted", "True")
            assert await objects_of(world.client, name) == expected, f"killed after write {writes}"
    assert await second_pass(server) == []


async def test_of_a_hundred_homes_none_is_lost_with_the_leader(
    tmp_path: Path, a_name: Name, capsys: pytest.CaptureFixture[str]
) -> None:
    # A server of its own, so that no later test has to live with a hundred homes.
    async with a_server(tmp_path) as server, Client(server.access) as client:
        await install_release(client)
        failover_s, done_s = await make_many(server, World(client), [a_name("many") for _ in range(HOMES)], tmp_path)
    with capsys.disabled():
        print(f"\nleader killed: next write after {failover_s:.1f} s, all {HOMES} homes after {done_s:.1f} s")


async def make_many(server: ApiServer, world: World, homes: list[str], directory: Path) -> tuple[float, float]:
    """Kill the leader while it makes homes; return seconds until the next one writes, and until all are made."""
    first, second = a_proxy(server), a_proxy(server)
    async with (
        first.serving() as to_first,
        second.serving() as to_second,
        started(to_first, directory / "first") as leader,
    ):
        await eventually(leader.leads)
        async with started(to_second, directory / "second") as standby:
            await eventually(standby.is_ready)
            await asyncio.gather(*(world.create(a_tenant(name)) for name in homes))
            await eventually(lambda: a_few_are_made(first))
            await leader.kill()
            killed_at = time.monotonic()
            await eventually(lambda: anything_written(second), every_s=0.01)
            failover_s = time.monotonic() - killed_at
            for name in homes:
                await world.wait_for(name, "Certificate", names.HOME_ASSISTANT, "cert-manager.io/v1")
                await world.wait_condition(name, "Accepted", "True")
            return failover_s, time.monotonic() - killed_at


async def a_few_are_made(between: Proxy) -> bool:
    return sum("/deployments/" in write for write in between.writes) > HOMES // 5


async def anything_written(between: Proxy) -> bool:
    return bool(between.writes)


async def test_a_leader_that_slept_through_its_lease_writes_nothing_more(
    server: ApiServer, world: World, a_name: Name, tmp_path: Path
) -> None:
    homes = [a_name("frozen") for _ in range(8)]
    first, second = a_proxy(server), a_proxy(server)
    async with (
        first.serving() as to_first,
        second.serving() as to_second,
        started(to_first, tmp_path / "first") as old,
    ):
        await eventually(old.leads)
        async with started(to_second, tmp_path / "second") as new:
            await eventually(new.is_ready)
            for name in homes:
                await world.create(a_tenant(name))
            await eventually(lambda: anything_written(first), every_s=0.01)
            old.process.send_signal(signal.SIGSTOP)
            await eventually(new.leads)
            for name in homes:
                await world.wait_for(name, "Certificate", names.HOME_ASSISTANT, "cert-manager.io/v1")
            written = len(first.writes)
            await world.client.delete(ObjectRef("apps/v1", "Deployment", names.namespace(homes[0]), names.OLLAMA))
            old.process.send_signal(signal.SIGCONT)
            assert await asyncio.wait_for(old.process.wait(), 30) != 0
            assert first.writes[written:] == []
            await world.wait_for(homes[0], "Deployment", names.OLLAMA, "apps/v1")


async def test_replacing_the_operators_one_by_one_leaves_no_gap_and_writes_nothing(
    server: ApiServer, world: World, a_name: Name, tmp_path: Path
) -> None:
    homes = [a_name("calm") for _ in range(5)]
    ways = [a_proxy(server) for _ in range(3)]
    async with ways[0].serving() as to_first, ways[1].serving() as to_second, ways[2].serving() as to_third:
        operators = started(to_first, tmp_path / "first"), started(to_second, tmp_path / "second")
        async with operators[0] as first, operators[1] as second:
            for name in homes:
                await world.create(a_tenant(name))
                await world.wait_for(name, "Certificate", names.HOME_ASSISTANT, "cert-manager.io/v1")
                await world.wait_condition(name, "Accepted", "True")
            await eventually(lambda: at_rest(ways), every_s=1.0)
            before = [list(way.writes) for way in ways]
            # As a rolling update does it: one more is started, and an old one goes when that is ready.
            async with started(to_third, tmp_path / "third") as third:
                await eventually(third.is_ready)
                for old in (first, second):
                    old.process.send_signal(signal.SIGTERM)
                    assert await asyncio.wait_for(old.process.wait(), 30) == 0
                await eventually(third.is_ready)
                await eventually(third.leads)
                await eventually(lambda: at_rest(ways), every_s=1.0)
                assert [list(way.writes) for way in ways] == before
                house = ObjectRef("apps/v1", "Deployment", names.namespace(homes[0]), names.HOME_ASSISTANT)
                await world.client.delete(house)
                back = await world.wait_for(homes[0], "Deployment", names.HOME_ASSISTANT, "apps/v1")
                assert reference(back) == house


_seen: list[int] = []


async def at_rest(ways: list[Proxy]) -> bool:
    """Say whether nothing was written since the last time that this was asked."""
    _seen.append(sum(len(way.writes) for way in ways))
    return len(_seen) > 1 and _seen[-1] == _seen[-2]
