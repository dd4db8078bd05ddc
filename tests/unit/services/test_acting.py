"""How a decision is carried out."""

import base64
from datetime import UTC, datetime

import pytest
from services_world import FakeCluster, a_namespace, a_tenant

from insula.domain import names
from insula.domain.errors import ConflictError, RefusedError, UnavailableError
from insula.domain.manifests import Manifest, ObjectRef
from insula.kube.leases import LeaseLostError
from insula.reconcile.model import Decision, EventWish, Observed, SecretKind, SecretWish
from insula.services.acting import Actor

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAMESPACE = names.namespace("alice")


def an_object(kind: str, name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}}


def a_wish(kind: SecretKind = SecretKind.RESIDENT_ACCOUNT, *, replace: bool = False) -> SecretWish:
    ref = ObjectRef("v1", "Secret", NAMESPACE, kind.value)
    is_key = kind is SecretKind.GATEWAY_KEY
    username = "" if is_key else "alice"
    return SecretWish(ref, kind, {}, {}, username, "id-alice", 1 if is_key else 0, replace=replace)


def an_actor(cluster: FakeCluster) -> Actor:
    return Actor(cluster, lambda identity, generation: f"key-{identity}-{generation}", patience_s=(0, 0))


async def carry_out(cluster: FakeCluster, decision: Decision, observed: Observed | None = None) -> None:
    await an_actor(cluster).carry_out("alice", observed or Observed(tenant=a_tenant("alice")), decision, at=NOW)


def whole_decision() -> Decision:
    return Decision(
        ground=(an_object("ServiceAccount", "ground"),),
        create_secrets=(a_wish(),),
        apply=(an_object("ConfigMap", "first"), an_object("Service", "second")),
        delete=(ObjectRef("v1", "Service", NAMESPACE, "old"),),
        status={"conditions": []},
        events=(EventWish("Normal", "Made", "it is made"),),
    )


def a_home_that_stands() -> Observed:
    return Observed(tenant=a_tenant("alice"), namespace=an_object("Namespace", NAMESPACE))


async def test_of_a_home_that_was_begun_the_next_look_tells() -> None:
    cluster = FakeCluster()
    await carry_out(cluster, whole_decision())
    assert cluster.done[-1] == "delete Service/old"


async def test_all_is_done_in_its_order() -> None:
    cluster = FakeCluster()
    await carry_out(cluster, whole_decision(), a_home_that_stands())
    assert cluster.done == [
        "apply ServiceAccount/ground",
        "create Secret/resident-account",
        "apply ConfigMap/first",
        "apply Service/second",
        "delete Service/old",
        "status Tenant/alice",
        "event Made",
    ]


async def test_without_the_whole_ground_nothing_is_built_but_the_status_is_told() -> None:
    cluster = FakeCluster()
    cluster.failures["apply ServiceAccount/ground"] = [UnavailableError("etcd is slow")]
    with pytest.raises(UnavailableError):
        await carry_out(cluster, whole_decision())
    assert cluster.done == ["create Secret/resident-account", "status Tenant/alice", "event Made"]


async def test_what_could_not_be_written_down_is_not_told_either() -> None:
    cluster = FakeCluster()
    cluster.failures["status Tenant/alice"] = [UnavailableError("etcd is slow")]
    with pytest.raises(UnavailableError):
        await carry_out(cluster, whole_decision(), a_home_that_stands())
    assert "event Made" not in cluster.done


async def test_without_the_namespace_nothing_is_tried() -> None:
    cluster = FakeCluster()
    cluster.failures["apply Namespace/insula-alice"] = [UnavailableError("etcd is slow")]
    ground = ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, *whole_decision().ground)
    with pytest.raises(UnavailableError):
        await carry_out(cluster, Decision(ground=ground, create_secrets=(a_wish(),)))
    assert cluster.done == []


async def test_an_object_that_is_refused_does_not_keep_the_others_from_being_made() -> None:
    cluster = FakeCluster()
    cluster.failures["apply ConfigMap/first"] = [RefusedError("no")]
    with pytest.raises(RefusedError):
        await carry_out(cluster, whole_decision())
    assert "apply Service/second" in cluster.done
    assert "status Tenant/alice" in cluster.done


async def test_a_lost_lease_stops_everything() -> None:
    for place in ("apply ServiceAccount/ground", "apply ConfigMap/first"):
        cluster = FakeCluster()
        cluster.failures[place] = [LeaseLostError("lost")]
        with pytest.raises(LeaseLostError):
            await carry_out(cluster, whole_decision())
        assert not any(done.startswith(("status", "event", "delete")) for done in cluster.done)


async def test_a_password_is_random_and_can_be_typed() -> None:
    passwords = set()
    for _ in range(20):
        cluster = FakeCluster()
        await carry_out(cluster, Decision(create_secrets=(a_wish(),)))
        data = cluster.live[a_wish().ref]["data"]
        assert base64.b64decode(data["username"]) == b"alice"
        passwords.add(base64.b64decode(data["password"]).decode())
    assert len(passwords) == 20
    assert all(len(password) == 23 and not set(password) & set("0O1lI") for password in passwords)


async def test_the_gateways_key_is_made_of_identity_and_generation() -> None:
    cluster = FakeCluster()
    await carry_out(cluster, Decision(create_secrets=(a_wish(SecretKind.GATEWAY_KEY),)))
    key = cluster.live[a_wish(SecretKind.GATEWAY_KEY).ref]["data"]["key"]
    assert base64.b64decode(key) == b"key-id-alice-1"


async def test_a_secret_that_exists_is_never_overwritten() -> None:
    existing = {**an_object("Secret", "resident-account"), "data": {"password": "b2xk"}}
    cluster = FakeCluster(existing)
    await carry_out(cluster, Decision(create_secrets=(a_wish(),)))
    assert cluster.live[a_wish().ref] == existing


async def test_a_key_of_an_old_generation_is_replaced() -> None:
    cluster = FakeCluster({**an_object("Secret", "gateway-key"), "data": {"key": "b2xk"}})
    await carry_out(cluster, Decision(create_secrets=(a_wish(SecretKind.GATEWAY_KEY, replace=True),)))
    assert cluster.done == ["apply Secret/gateway-key"]


async def test_a_role_that_is_not_honoured_yet_is_waited_for() -> None:
    cluster = FakeCluster()
    cluster.failures["create Secret/resident-account"] = [RefusedError("not yet"), RefusedError("not yet")]
    await carry_out(cluster, Decision(create_secrets=(a_wish(),)))
    assert cluster.done == ["create Secret/resident-account"]


async def test_the_status_of_a_tenant_goes_to_no_later_one_of_its_name() -> None:
    class Noting(FakeCluster):
        async def apply_status(self, manifest: Manifest) -> Manifest:
            assert manifest["metadata"]["uid"] == "uid-alice"
            return await super().apply_status(manifest)

    cluster = Noting()
    await carry_out(cluster, Decision(status={"conditions": []}))
    assert cluster.done == ["status Tenant/alice"]


THE_NAMESPACE = ObjectRef("v1", "Namespace", "", NAMESPACE)


def a_home(*, of: str = "uid-alice") -> Manifest:
    return a_namespace("alice", **{names.ANNOTATION_TENANT_UID: of})


async def test_data_are_not_destroyed_while_the_tenant_is_there_after_all() -> None:
    cluster = FakeCluster(a_tenant("alice"), a_home())
    with pytest.raises(ConflictError):
        await carry_out(cluster, Decision(delete=(THE_NAMESPACE,)), Observed(namespace=a_home()))
    assert THE_NAMESPACE in cluster.live


async def test_data_are_destroyed_when_the_tenant_is_gone() -> None:
    cluster = FakeCluster(a_home())
    await carry_out(cluster, Decision(delete=(THE_NAMESPACE,)), Observed(namespace=a_home()))
    assert THE_NAMESPACE not in cluster.live


async def test_another_tenant_of_the_name_does_not_keep_the_old_ones_data() -> None:
    cluster, home = FakeCluster(a_tenant("alice")), a_home(of="an-earlier-alice")
    cluster.live[THE_NAMESPACE] = home
    await carry_out(cluster, Decision(delete=(THE_NAMESPACE,)), Observed(namespace=home))
    assert THE_NAMESPACE not in cluster.live


async def test_data_that_the_next_tenant_adopts_are_kept() -> None:
    cluster, home = FakeCluster(a_tenant("alice", adopt="id-alice")), a_home(of="an-earlier-alice")
    cluster.live[THE_NAMESPACE] = home
    with pytest.raises(ConflictError):
        await carry_out(cluster, Decision(delete=(THE_NAMESPACE,)), Observed(namespace=home))
    assert THE_NAMESPACE in cluster.live


async def test_of_a_tenant_that_is_gone_its_namespace_tells() -> None:
    class Noting(FakeCluster):
        async def record(self, event: Manifest) -> None:
            assert event["regarding"]["kind"] == "Namespace"
            await super().record(event)

    cluster = Noting()
    decision = Decision(events=(EventWish("Normal", "Retained", "the data stay"),))
    await carry_out(cluster, decision, Observed(namespace=a_home()))
    assert cluster.done == ["event Retained"]
