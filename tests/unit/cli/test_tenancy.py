import pytest
from cli_fakes import FakeCluster, a_condition, a_home, a_tenant, an_object

from insula.domain import names
from insula.domain.conditions import ConditionType
from insula.domain.errors import ConflictError, NotFoundError, RefusedError, UnavailableError
from insula.services import tenancy

POLICY = names.ANNOTATION_DELETION_POLICY


def a_namespace(policy: str = "Retain") -> dict[str, object]:
    return an_object("v1", "Namespace", "insula-alice", metadata={"annotations": {POLICY: policy}})


def test_conditions_are_read_in_the_order_of_a_tenants_life() -> None:
    seen = tenancy.view(a_tenant(conditions=[a_condition("Ready", "False"), a_condition("Accepted")]))
    assert [each.type for each in seen.statements] == ["Accepted", "Ready"]


def test_a_condition_of_an_older_spec_does_not_hold() -> None:
    seen = tenancy.view(a_tenant(generation=2, conditions=[a_condition("Ready", generation=1)]))
    assert not seen.is_ready


def test_the_obstacle_is_the_first_condition_that_does_not_hold() -> None:
    conditions = [a_condition("Accepted"), a_condition("Claimed", "False"), a_condition("Ready", "False")]
    obstacle = tenancy.view(a_tenant(conditions=conditions)).obstacle
    assert obstacle is not None
    assert obstacle.type == ConditionType.CLAIMED


async def test_a_name_that_is_taken_is_a_conflict_that_names_it() -> None:
    with pytest.raises(ConflictError, match="'alice' exists already"):
        await tenancy.create(FakeCluster(a_tenant()), a_tenant())


async def test_tenants_are_listed_by_name() -> None:
    found = await tenancy.look_at_all(FakeCluster(a_tenant("bob"), a_tenant("alice")))
    assert [each["metadata"]["name"] for each in found] == ["alice", "bob"]


async def test_suspending_changes_that_field_alone() -> None:
    cluster = FakeCluster(a_tenant())
    await tenancy.suspend(cluster, "alice", suspended=True)
    assert cluster.patches == [(tenancy.tenant_ref("alice"), {"spec": {"suspended": True}})]


async def test_following_ends_when_the_operator_refuses_the_spec() -> None:
    refused = a_tenant(conditions=[a_condition("Accepted", "False", "PlanMissing", "there is no plan standard")])
    with pytest.raises(RefusedError, match=r"there is no plan standard \(PlanMissing\)"):
        async for _ in tenancy.follow(FakeCluster(refused), "alice", poll_s=0):
            pass


async def test_deletion_alone_leaves_the_policy_as_it_is() -> None:
    cluster = FakeCluster(a_tenant(), a_namespace())
    await tenancy.delete(cluster, "alice", purge=False)
    assert not cluster.patches
    assert await cluster.find(tenancy.tenant_ref("alice")) is None


async def test_a_purge_deletes_nothing_before_the_operator_took_note_of_it() -> None:
    cluster = FakeCluster(a_tenant(), a_namespace("Retain"))
    with pytest.raises(UnavailableError, match="nothing was deleted"):
        await tenancy.delete(cluster, "alice", purge=True, patience_s=0.01, poll_s=0)
    assert await cluster.find(tenancy.tenant_ref("alice")) is not None


async def test_a_purge_deletes_the_tenant_once_its_namespace_says_delete() -> None:
    cluster = FakeCluster(a_tenant(), a_namespace("Delete"))
    await tenancy.delete(cluster, "alice", purge=True)
    assert await cluster.find(tenancy.tenant_ref("alice")) is None


async def test_a_purge_of_kept_data_marks_the_namespace() -> None:
    cluster = FakeCluster(a_namespace())
    await tenancy.delete(cluster, "alice", purge=True)
    assert cluster.objects[tenancy.namespace_ref("alice")]["metadata"]["annotations"] == {POLICY: "Delete"}


@pytest.mark.parametrize("purge", [False, True])
async def test_deleting_what_is_not_there_is_not_found(purge: bool) -> None:
    with pytest.raises(NotFoundError):
        await tenancy.will_destroy(FakeCluster(), "alice", purge=purge)


@pytest.mark.parametrize(
    ("policy", "purge", "destroys"), [("Retain", False, False), ("Retain", True, True), ("Delete", False, True)]
)
async def test_data_is_destroyed_by_the_policy_or_by_a_purge(policy: str, purge: bool, destroys: bool) -> None:
    assert await tenancy.will_destroy(FakeCluster(a_tenant(policy=policy)), "alice", purge=purge) is destroys


async def test_a_retained_tenant_is_gone_when_its_pods_and_its_route_are() -> None:
    pod = an_object("v1", "Pod", "ollama-1", "insula-alice", metadata={"labels": {names.LABEL_TENANT: "alice"}})
    done = an_object("v1", "Pod", "pull-1", "insula-alice", metadata={"labels": {names.LABEL_TENANT: "alice"}})
    done["status"] = {"phase": "Succeeded"}
    left = await tenancy.what_is_left(FakeCluster(*a_home(), pod, done), "alice", destroys=False)
    assert left == ["the route", "pod ollama-1"]
    assert not await tenancy.what_is_left(FakeCluster(), "alice", destroys=False)


async def test_a_namespace_that_does_not_go_says_what_it_waits_for() -> None:
    space = an_object("v1", "Namespace", "insula-alice", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    said = "Some content in the namespace has finalizers remaining: example.com/never"
    space["status"] = {"conditions": [{"type": "NamespaceFinalizersRemaining", "status": "True", "message": said}]}
    (left,) = await tenancy.what_is_left(FakeCluster(space), "alice", destroys=True)
    assert "example.com/never" in left
