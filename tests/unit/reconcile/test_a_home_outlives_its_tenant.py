"""What happens to a home when its Tenant goes, and when one of the same name comes."""

import pytest

from builders import TENANT_UID, World, a_tenant
from insula.domain import names
from insula.domain.manifests import ObjectRef
from insula.domain.tenants import DeletionPolicy
from insula.reconcile.model import Decision

NAMESPACE = ObjectRef("v1", "Namespace", "", "insula-alice")
RUNNING = ("Deployment", "Job", "Service", "Ingress", "Certificate", "Pod")


def gone(policy: DeletionPolicy = DeletionPolicy.RETAIN) -> World:
    """Return a world whose home was ready before its Tenant went."""
    world = World(desired=a_tenant(deletion_policy=policy)).ready()
    return world.forget_tenant()


def test_a_retained_home_keeps_namespace_volumes_secrets_and_walls_alone() -> None:
    world = gone().settle()
    assert not any(world.has(kind) for kind in RUNNING)
    assert world.has("PersistentVolumeClaim", names.HOME_ASSISTANT_CONFIG)
    assert world.has("PersistentVolumeClaim", names.OLLAMA_MODELS)
    assert world.has("NetworkPolicy", "default-deny")
    assert set(world.secrets) == {"platform-account", "resident-account", "gateway-key"}
    assert world.memory().retained_since == world.stamp()


def test_the_route_goes_before_what_it_leads_to() -> None:
    assert [ref.kind for ref in gone().decide().delete][:2] == ["Ingress", "Certificate"]


def test_time_does_not_change_a_retained_home() -> None:
    world = gone().settle()
    assert world.pass_time(10**7).decide() == Decision()


def test_data_to_be_deleted_have_a_moment_of_grace() -> None:
    world = gone(DeletionPolicy.DELETE)
    first = world.step()
    assert NAMESPACE not in first.delete
    assert first.look_again_s == 10
    world.pass_time(first.look_again_s)
    assert world.step().delete == (NAMESPACE,)
    assert world.decide() == Decision()


def test_a_purge_of_retained_data_deletes_the_namespace() -> None:
    world = gone().settle().pass_time(1000)
    assert world.namespace is not None
    world.namespace["metadata"]["annotations"][names.ANNOTATION_DELETION_POLICY] = "Delete"
    assert NAMESPACE in world.decide().delete


def test_a_tenant_of_the_same_name_is_refused_and_told_what_to_do() -> None:
    world = gone().settle().create_again()
    decision = world.step()
    assert (decision.ground, decision.apply, decision.create_secrets) == ((), (), ())
    accepted = world.condition("Accepted")
    assert accepted["reason"] == "RetainedDataInTheWay"
    assert TENANT_UID in accepted["message"]
    assert "--purge" in accepted["message"]
    assert world.decide().is_empty


def test_a_tenant_created_again_while_the_operator_slept_does_not_get_the_running_home() -> None:
    world = World().ready().create_again()
    world.settle()
    assert not any(world.has(kind) for kind in RUNNING)
    assert world.memory().retained_since


def test_the_wrong_identity_adopts_nothing() -> None:
    world = gone().settle().create_again(adopt="another-id")
    world.step()
    assert world.condition("Accepted")["reason"] == "RetainedDataInTheWay"


def test_who_names_the_identity_gets_home_and_data_and_a_new_key() -> None:
    world = gone().settle().create_again(adopt=TENANT_UID)
    decision = world.step()
    (key,) = decision.create_secrets
    assert (key.key_generation, key.replace, key.tenant_id) == (2, True, TENANT_UID)
    assert world.namespace is not None
    assert world.namespace["metadata"]["labels"][names.LABEL_TENANT_ID] == TENANT_UID
    memory = world.memory()
    assert (memory.tenant_uid, memory.key_generation, memory.retained_since) == ("another-uid", 2, "")
    world.settle()
    assert world.has("Deployment")
    assert world.has("Ingress")
    assert world.condition("ModelsReady")["status"] == "True"


def test_an_adopted_home_introduces_its_agent_anew_for_the_key_is_another() -> None:
    world = gone().settle().create_again(adopt=TENANT_UID)
    world.settle().start_home_assistant().start_ollama().issue_certificate().settle()
    assert world.condition("ConversationReady")["reason"] == "SettingUp"
    world.finish_job(names.CONVERSE, '{"agent": "conversation.home"}').settle()
    assert world.condition("Ready")["status"] == "True"


def test_adoption_counts_once() -> None:
    world = gone().settle().create_again(adopt=TENANT_UID)
    world.settle().settle()
    assert world.memory().key_generation == 2


def test_there_must_be_something_to_adopt() -> None:
    world = World(desired=a_tenant(adopt="some-id"))
    world.step()
    assert world.condition("Accepted")["reason"] == "NothingToAdopt"
    assert world.namespace is None


def test_a_running_home_cannot_adopt_another() -> None:
    world = World().ready()
    world.latched, world.desired = world.desired, a_tenant(adopt="another-id")
    world.step()
    assert world.condition("Accepted")["reason"] == "AdoptMismatch"
    assert world.has("Deployment")


def test_an_adoption_that_is_refused_leaves_the_data_in_peace() -> None:
    world = gone().settle().create_again(adopt=TENANT_UID)
    world.host_claims = {"ha.alice.example.com": "bob"}
    world.step()
    assert world.condition("Accepted")["reason"] == "HostTaken"
    assert world.memory().key_generation == 1


def test_an_adoption_that_is_refused_never_destroys_what_was_to_be_adopted() -> None:
    world = gone(DeletionPolicy.DELETE).create_again(adopt=TENANT_UID)
    world.host_claims = {"ha.alice.example.com": "bob"}
    world.step()
    world.pass_time(60).step()
    assert world.namespace is not None


def test_a_tenant_created_again_waits_until_the_old_home_is_destroyed_as_agreed() -> None:
    world = gone(DeletionPolicy.DELETE).create_again()
    world.step()
    assert world.condition("NamespaceReady")["reason"] == "Terminating"
    assert world.condition("Accepted")["status"] == "True"
    world.pass_time(10).step()
    assert world.namespace is None
    world.settle()
    assert world.namespace is not None
    assert world.namespace["metadata"]["labels"][names.LABEL_TENANT_ID] == "another-uid"
    assert world.memory().key_generation == 1


def test_a_home_that_lost_its_owners_uid_by_hand_is_believed_to_be_its_tenants() -> None:
    world = World().ready()
    assert world.namespace is not None
    del world.namespace["metadata"]["annotations"][names.ANNOTATION_TENANT_UID]
    world.settle()
    assert world.condition("Ready")["status"] == "True"
    assert world.memory().tenant_uid == TENANT_UID


def test_a_home_that_the_brake_holds_stays_as_it_is_and_asks_once() -> None:
    world = gone()
    world.hold = "7 homes lost their Tenants"
    before = dict(world.objects)
    decision = world.step()
    assert (decision.apply, decision.delete) == ((), ())
    (event,) = decision.events
    assert event.reason == "DeletionBraked"
    assert "insula tenant confirm-deletion alice" in event.message
    assert TENANT_UID in event.message
    assert world.objects == before
    assert world.memory().held_since == world.stamp()
    assert world.step().is_empty


def test_a_home_that_may_go_after_all_goes() -> None:
    world = gone()
    world.hold = "7 homes lost their Tenants"
    world.settle()
    world.hold = ""
    world.settle()
    assert not any(world.has(kind) for kind in RUNNING)
    assert (world.memory().held_since, world.memory().retained_since) == ("", world.stamp())


def test_data_that_the_brake_holds_are_not_destroyed() -> None:
    world = gone(DeletionPolicy.DELETE).settle().pass_time(60)
    world.hold = "7 homes lost their Tenants"
    assert world.step().delete == ()
    assert world.memory().held_since
    world.hold = ""
    assert NAMESPACE in world.step().delete


def test_a_held_home_that_a_new_tenant_adopts_runs_on() -> None:
    world = gone()
    world.hold = "7 homes lost their Tenants"
    world.settle()
    world.create_again(adopt=TENANT_UID)
    world.hold = ""
    decision = world.step()
    assert {ref.kind for ref in decision.delete} == {"Job"}  # the agent is told the new key
    assert decision.apply == ()
    assert world.memory().held_since == ""


def test_a_tenant_made_again_under_the_name_of_a_held_home_is_told_how_to_take_it() -> None:
    world = gone()
    world.hold = "7 homes lost their Tenants"
    world.settle().create_again()
    world.step()
    assert world.condition("Accepted")["reason"] == "RetainedDataInTheWay"
    assert world.has("Deployment")


@pytest.mark.parametrize("leaving", [True, False])
def test_nobody_and_nothing_is_no_work(leaving: bool) -> None:
    world = gone()
    assert world.namespace is not None
    if leaving:
        world.namespace["metadata"]["deletionTimestamp"] = world.stamp()
    else:
        world.namespace = None
    assert world.decide() == Decision()
