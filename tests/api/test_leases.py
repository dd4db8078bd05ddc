"""One leader at a time, and none that writes after it has lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from api.server import ApiServer, eventually
from insula.domain.manifests import Manifest, ObjectRef
from insula.kube.client import Client
from insula.kube.leases import Elector, LeaseLostError, Timing

Name = Callable[[str], str]

QUICK = Timing(duration_s=1, renew_deadline_s=0.6, retry_s=0.1)


def an_elector(client: Client, lease: str, identity: str) -> Elector:
    return Elector(client, namespace="default", name=lease, identity=identity, timing=QUICK)


@contextlib.asynccontextmanager
async def keeping(elector: Elector) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(elector.keep())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, LeaseLostError):
            await task


def a_config_map(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}


async def test_the_second_waits_while_the_first_renews(client: Client, a_name: Name) -> None:
    lease = a_name("lease")
    first, second = an_elector(client, lease, "first"), an_elector(client, lease, "second")
    await first.acquire()
    async with keeping(first):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(second.acquire(), 1.5)
        assert first.leads
        assert not second.leads


async def test_a_lease_given_up_is_taken_at_once(client: Client, a_name: Name) -> None:
    lease = a_name("lease")
    first, second = an_elector(client, lease, "first"), an_elector(client, lease, "second")
    await first.acquire()
    await first.release()
    await asyncio.wait_for(second.acquire(), 0.5)
    assert not first.leads


async def test_a_lease_that_is_not_renewed_is_taken_after_its_time(client: Client, a_name: Name) -> None:
    lease = a_name("lease")
    first, second = an_elector(client, lease, "first"), an_elector(client, lease, "second")
    await first.acquire()
    started = asyncio.get_running_loop().time()
    await asyncio.wait_for(second.acquire(), 3)
    assert asyncio.get_running_loop().time() - started >= 0.9
    assert not first.leads


async def test_nothing_is_written_once_renewal_is_overdue(client: Client, a_name: Name) -> None:
    elector = an_elector(client, a_name("lease"), "slow")
    fenced = client.fenced(elector.may_write)
    await elector.acquire()
    await fenced.apply(a_config_map(a_name("in-time")))
    await asyncio.sleep(QUICK.renew_deadline_s)
    late = a_name("late")
    with pytest.raises(LeaseLostError):
        await fenced.apply(a_config_map(late))
    assert await client.find(ObjectRef("v1", "ConfigMap", "default", late)) is None


async def test_who_finds_another_name_in_the_lease_has_lost(client: Client, a_name: Name) -> None:
    lease = a_name("lease")
    elector = an_elector(client, lease, "first")
    await elector.acquire()
    async with keeping(elector) as task:
        ref = ObjectRef("coordination.k8s.io/v1", "Lease", "default", lease)
        await client.merge_patch(ref, {"spec": {"holderIdentity": "usurper"}})
        with pytest.raises(LeaseLostError, match="usurper"):
            await asyncio.wait_for(task, 2)
    with pytest.raises(LeaseLostError):
        elector.may_write()


async def test_who_cannot_reach_the_server_loses_in_time(server: ApiServer, a_name: Name) -> None:
    async with Client(server.access) as client:
        elector = an_elector(client, a_name("lease"), "lonely")
        await elector.acquire()
        async with keeping(elector) as task:
            server.stop_api()
            with pytest.raises(LeaseLostError, match="could not be renewed"):
                await asyncio.wait_for(task, 3)
        assert not elector.leads
        await server.start_api()


async def test_of_many_that_strive_one_leads(client: Client, a_name: Name) -> None:
    lease = a_name("lease")
    electors = [an_elector(client, lease, f"e{number}") for number in range(5)]
    tasks = [asyncio.create_task(elector.acquire()) for elector in electors]

    async def someone_leads() -> bool:
        return any(elector.leads for elector in electors)

    await eventually(someone_leads)
    assert sum(elector.leads for elector in electors) == 1
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("written", ["1999-12-31T23:59:59.000000Z", "2999-12-31T23:59:59.000000Z"])
async def test_a_leader_whose_clock_is_wrong_is_neither_deposed_early_nor_followed_late(
    client: Client, a_name: Name, written: str
) -> None:
    lease = a_name("lease")
    ref = ObjectRef("coordination.k8s.io/v1", "Lease", "default", lease)
    spec = {"holderIdentity": "skewed", "leaseDurationSeconds": 1, "renewTime": written, "leaseTransitions": 0}
    metadata = {"name": lease, "namespace": "default"}
    await client.create({"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata, "spec": spec})
    elector = an_elector(client, lease, "second")
    task = asyncio.create_task(elector.acquire())
    for number in range(15):  # it renews in time, by a clock that stands where it should not
        await client.merge_patch(ref, {"spec": {"renewTime": written.replace("000000Z", f"{number:06}Z")}})
        await asyncio.sleep(0.1)
        assert not elector.leads
    await asyncio.wait_for(task, 5)
    assert elector.leads
