"""One look at one home, from what is seen to what is done."""

from datetime import UTC, datetime

import pytest
from services_world import FakeCluster, a_plan, a_tenant

from insula.domain.errors import ConflictError, RefusedError
from insula.domain.platform import Images, Platform
from insula.reconcile.model import OWNED_KINDS
from insula.render.stack import stack
from insula.services.acting import Actor
from insula.services.observing import Observer
from insula.services.reconciling import Reconciler

PLATFORM = Platform(domain="homes.test", images=Images("i:1", "h:1", "o:1"), release_namespace="insula-system")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def a_reconciler(cluster: FakeCluster) -> Reconciler:
    actor = Actor(cluster, lambda identity, generation: f"{identity}.{generation}", patience_s=())
    return Reconciler(Observer(cluster, PLATFORM), actor, PLATFORM, render=stack, now=lambda: NOW, resync_s=100)


async def test_a_new_tenant_gets_its_objects() -> None:
    cluster = FakeCluster(a_plan(), a_tenant("alice"))
    await a_reconciler(cluster).reconcile("alice")
    made = {ref.kind for ref in cluster.live}
    assert {"Namespace", "NetworkPolicy", "Deployment", "Secret", "PersistentVolumeClaim"} <= made
    assert made - {"Tenant", "Plan", "Namespace", "Secret"} <= {kind.kind for kind in OWNED_KINDS}


async def test_the_walls_stand_before_anything_runs() -> None:
    cluster = FakeCluster(a_plan(), a_tenant("alice"))
    await a_reconciler(cluster).reconcile("alice")
    last_wall = max(at for at, done in enumerate(cluster.done) if "NetworkPolicy" in done)
    first_pod = min(at for at, done in enumerate(cluster.done) if "Deployment" in done)
    assert cluster.done[0] == "apply Namespace/insula-alice"
    assert last_wall < first_pod


async def test_a_quiet_home_is_looked_at_now_and_then() -> None:
    cluster = FakeCluster(a_tenant("alice"))  # rejected, for it has no plan: nothing to wait for
    again_s = await a_reconciler(cluster).reconcile("alice")
    assert again_s is not None
    assert 50 <= again_s <= 100


async def test_nobody_is_looked_at_again() -> None:
    assert await a_reconciler(FakeCluster()).reconcile("nobody") is None


async def test_a_failure_is_told_once_and_again_when_it_comes_back() -> None:
    cluster = FakeCluster(a_plan(), a_tenant("alice"))
    reconciler = a_reconciler(cluster)

    async def fail() -> None:
        cluster.failures["apply Namespace/insula-alice"] = [RefusedError("no more namespaces")]
        cluster.live = FakeCluster(a_plan(), a_tenant("alice")).live
        with pytest.raises(RefusedError):
            await reconciler.reconcile("alice")

    await fail()
    await fail()
    assert cluster.done.count("event ApplyFailed") == 1
    await reconciler.reconcile("alice")
    await fail()
    assert cluster.done.count("event ApplyFailed") == 2


async def test_a_conflict_is_nobodys_business() -> None:
    cluster = FakeCluster(a_plan(), a_tenant("alice"))
    cluster.failures["apply Namespace/insula-alice"] = [ConflictError("someone was faster")]
    with pytest.raises(ConflictError):
        await a_reconciler(cluster).reconcile("alice")
    assert "event ApplyFailed" not in cluster.done
