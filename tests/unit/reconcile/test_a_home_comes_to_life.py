"""The life of a home from its Tenant to its answer, decision by decision."""

from dataclasses import replace

import pytest

from builders import CONFIG_UID, MODEL, MODELS_UID, World, a_platform, a_tenant
from insula.domain import names
from insula.domain.errors import InvalidSpecError
from insula.domain.manifests import Manifest, reference
from insula.domain.tenants import DeletionPolicy
from insula.reconcile.model import Decision, SecretKind

MODELS = f'{{"models": {{"{MODEL}": "sha256:1"}}}}'


def kinds(decision: Decision) -> list[str]:
    return [each["kind"] for each in (*decision.ground, *decision.apply)]


def deleted(decision: Decision) -> list[str]:
    return [f"{ref.kind}/{ref.name}" for ref in decision.delete]


def test_the_first_decision_makes_walls_then_secrets_then_the_house() -> None:
    decision = World().decide()
    assert decision.ground[0]["kind"] == "Namespace"
    assert [wish.kind for wish in decision.create_secrets] == list(SecretKind)
    assert [each["metadata"]["name"] for each in decision.apply if each["kind"] == "Deployment"] == [
        "home-assistant",
        "ollama",
    ]


def test_a_new_homes_identity_is_its_tenants_uid() -> None:
    world = World()
    world.step()
    assert world.tenant
    assert world.namespace
    assert world.namespace["metadata"]["labels"][names.LABEL_TENANT_ID] == world.tenant["metadata"]["uid"]


def test_an_unclaimed_home_gets_neither_route_nor_jobs() -> None:
    world = World().settle()
    assert not world.has("Ingress")
    assert not any(ref.kind == "Job" for ref in world.objects)


def test_the_route_opens_when_the_claim_container_has_ended_well() -> None:
    world = World().settle()
    world.start_home_assistant(ready=False).settle()
    assert world.has("Ingress")
    assert world.memory().claimed_volume == CONFIG_UID


def test_a_claim_container_that_failed_opens_no_route() -> None:
    world = World().settle()
    ended = {"name": "claim", "state": {"terminated": {"exitCode": 1, "message": '{"error": "disk full"}'}}}
    world.add_pod(names.HOME_ASSISTANT, status={"phase": "Pending", "initContainerStatuses": [ended]})
    world.settle()
    assert not world.has("Ingress")


def test_a_pod_older_than_the_volume_has_claimed_another_volume() -> None:
    world = World().settle()
    world.start_home_assistant()
    world.objects[world.ref("v1", "Pod", "home-assistant-1")]["metadata"]["creationTimestamp"] = "2026-11-25T11:00:00Z"
    world.settle()
    assert not world.has("Ingress")


def test_a_new_volume_is_unclaimed_again_and_its_route_is_closed() -> None:
    world = World().ready()
    world.objects[world.ref("v1", "PersistentVolumeClaim", names.HOME_ASSISTANT_CONFIG)]["metadata"]["uid"] = "new"
    world.objects.pop(world.ref("v1", "Pod", "home-assistant-1"))
    assert "Ingress/home-assistant" in deleted(world.step())
    assert world.condition("Claimed")["status"] == "False"


def test_the_models_are_pulled_when_ollamas_pod_has_placed_the_volume() -> None:
    world = World().settle()
    assert not world.has("Job", names.PULL)
    world.bind_volumes().settle()
    assert world.job(names.PULL)["metadata"]["annotations"][names.ANNOTATION_PURPOSE] == MODELS_UID


def test_the_models_that_were_pulled_are_remembered_with_their_digests() -> None:
    world = World().claimed().finish_job(names.PULL, MODELS).settle()
    assert world.memory().pulled == {MODEL: "sha256:1"}
    assert world.tenant
    assert world.tenant["status"]["models"] == [{"name": MODEL, "digest": "sha256:1"}]


def test_a_job_counts_as_done_as_soon_as_its_container_ended_well() -> None:
    world = World().claimed()
    world.end_pod(names.PULL, MODELS, exit_code=0)
    world.settle()
    assert world.memory().pulled == {MODEL: "sha256:1"}


def test_the_conversation_waits_for_the_models() -> None:
    world = World().claimed()
    assert not world.has("Job", names.CONVERSE)
    world.finish_job(names.PULL, MODELS).settle()
    assert world.has("Job", names.CONVERSE)


@pytest.mark.parametrize("component", [names.HOME_ASSISTANT, names.OLLAMA])
def test_the_job_that_sets_up_the_conversation_starts_while_both_pods_do(component: str) -> None:
    world = World().claimed().finish_job(names.PULL, MODELS)
    world.objects[world.ref("v1", "Pod", f"{component}-1")]["status"]["conditions"][0]["status"] = "False"
    world.settle()
    assert world.has("Job", names.CONVERSE)


def test_a_conversation_that_has_begun_is_not_withdrawn_when_a_pod_restarts() -> None:
    world = World().claimed().finish_job(names.PULL, MODELS).settle()
    world.objects[world.ref("v1", "Pod", "ollama-1")]["status"]["conditions"][0]["status"] = "False"
    assert world.decide().delete == ()


def test_the_home_is_ready_when_its_agent_answers() -> None:
    world = World().ready()
    assert world.condition("Ready")["status"] == "True"
    assert world.tenant
    assert world.tenant["status"]["agent"] == "conversation.home"
    assert world.tenant["status"]["url"] == "https://ha.alice.example.com"


def test_jobs_that_did_their_work_stand_until_they_would_be_rendered_otherwise() -> None:
    world = World().ready()
    assert world.has("Job", names.PULL)
    world.platform = replace(world.platform, images=replace(world.platform.images, insula="insula:2"))
    assert deleted(world.step()) == ["Job/converse", "Job/pull-models"]
    world.settle()
    assert not world.has("Job", names.PULL)
    assert world.condition("Ready")["status"] == "True"


def test_another_model_is_pulled_by_another_job() -> None:
    world = World().ready()
    world.desired = a_tenant(models=(MODEL, "other:1"))
    first = world.step()
    assert deleted(first) == ["Job/pull-models"]
    assert "Job" not in kinds(first)
    world.settle()
    assert "other:1" in world.job(names.PULL)["spec"]["template"]["spec"]["containers"][0]["command"]
    assert world.condition("ModelsReady")["reason"] == "Pulling"


def test_another_first_model_is_introduced_by_another_job() -> None:
    world = World().ready()
    world.desired = a_tenant(models=("other:1",))
    world.settle()
    world.finish_job(names.PULL, '{"models": {"other:1": "sha256:2"}}').settle()
    assert "other:1" in world.job(names.CONVERSE)["spec"]["template"]["spec"]["containers"][0]["command"]
    assert world.condition("ConversationReady")["status"] == "False"


def test_a_job_on_its_way_out_is_awaited() -> None:
    world = World().ready()
    world.job(names.PULL)["metadata"]["deletionTimestamp"] = world.stamp()
    world.desired = a_tenant(models=(MODEL, "other:1"))
    decision = world.decide()
    assert "Job" not in kinds(decision)
    assert decision.delete == ()


def test_a_job_that_gave_up_is_made_again_after_ten_minutes() -> None:
    world = World().claimed().fail_job(names.PULL, '{"error": "no route"}')
    world.settle()
    assert world.decide().look_again_s == 600
    assert deleted(world.pass_time(600).step()) == ["Job/pull-models"]
    assert "Job" in kinds(world.step())


def test_a_home_without_models_is_ready_without_a_conversation() -> None:
    world = World(desired=a_tenant(models=()))
    world.settle()
    world.bind_volumes().start_home_assistant().start_ollama().issue_certificate().settle()
    assert not world.has("Job", names.PULL)
    assert not world.has("Job", names.CONVERSE)
    assert world.condition("ConversationReady")["reason"] == "NoModel"
    assert world.condition("Ready")["status"] == "True"


def test_a_suspended_tenant_loses_pods_and_jobs_and_keeps_its_volumes_and_its_route() -> None:
    world = World().ready()
    world.desired = a_tenant(suspended=True)
    world.settle()
    assert world.condition("Ready")["reason"] == "Suspended"
    assert world.condition("ModelsReady")["status"] == "True"
    assert not any(ref.kind == "Job" for ref in world.objects)
    assert world.has("PersistentVolumeClaim", names.HOME_ASSISTANT_CONFIG)
    assert world.has("Ingress")
    replicas = [each["spec"]["replicas"] for ref, each in world.objects.items() if ref.kind == "Deployment"]
    assert replicas == [0, 0]


def test_a_resumed_home_needs_no_job() -> None:
    world = World().ready()
    world.desired = a_tenant(suspended=True)
    world.settle()
    world.desired = a_tenant()
    world.settle()
    assert not any(ref.kind == "Job" for ref in world.objects)
    assert world.condition("Ready")["status"] == "True"


def test_a_volume_keeps_its_class_and_never_shrinks() -> None:
    world = World(platform=a_platform(storage_class="fast")).settle()
    claim = world.objects[world.ref("v1", "PersistentVolumeClaim", names.OLLAMA_MODELS)]
    claim["spec"]["resources"]["requests"]["storage"] = "40Gi"
    world.platform = a_platform(storage_class="slow")
    world.settle()
    claim = world.objects[world.ref("v1", "PersistentVolumeClaim", names.OLLAMA_MODELS)]
    assert claim["spec"]["storageClassName"] == "fast"
    assert claim["spec"]["resources"]["requests"]["storage"] == "40Gi"


def test_a_volume_grows() -> None:
    world = World().settle()
    world.desired = a_tenant(ollama={"storage_gib": 50})
    world.settle()
    claim = world.objects[world.ref("v1", "PersistentVolumeClaim", names.OLLAMA_MODELS)]
    assert claim["spec"]["resources"]["requests"]["storage"] == "50Gi"


def test_a_rejected_spec_leaves_the_last_accepted_one_running() -> None:
    world = World().ready()
    world.latched = world.desired
    world.rejection = InvalidSpecError("too much", remedy="ask for less", reason="CeilingExceeded")
    decision = world.step()
    assert kinds(decision) == []
    assert decision.delete == ()
    assert world.condition("Accepted")["reason"] == "CeilingExceeded"
    assert "last accepted spec stays in force" in world.condition("Accepted")["message"]
    assert world.condition("RouteReady")["status"] == "True"
    assert world.decide().is_empty


def test_a_rejected_spec_of_a_new_tenant_builds_nothing() -> None:
    world = World(rejection=InvalidSpecError("no such plan", reason="PlanMissing"))
    decision = world.step()
    assert (decision.ground, decision.apply, decision.create_secrets) == ((), (), ())
    assert world.condition("Accepted")["reason"] == "PlanMissing"
    assert world.condition("HomeAssistantReady")["status"] == "Unknown"


def test_what_was_latched_and_reads_no_more_leaves_everything_as_it_is() -> None:
    world = World().ready()
    world.rejection = InvalidSpecError("no such plan", reason="PlanMissing")
    decision = world.step()
    assert kinds(decision) == []
    assert decision.delete == ()


def test_a_host_that_an_older_tenant_holds_is_refused() -> None:
    world = World(host_claims={"ha.alice.example.com": "bob"})
    world.step()
    assert world.condition("Accepted")["reason"] == "HostTaken"
    assert "bob" in world.condition("Accepted")["message"]
    assert world.namespace is None


def test_a_running_home_loses_its_route_and_nothing_else_to_an_older_claimant() -> None:
    world = World().ready()
    world.latched = world.desired
    world.host_claims = {"ha.alice.example.com": "bob"}
    assert deleted(world.step()) == ["Ingress/home-assistant"]
    assert world.condition("RouteReady")["reason"] == "HostTaken"


def test_a_namespace_that_insula_did_not_make_is_left_alone() -> None:
    world = World(namespace={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "insula-alice"}})
    decision = world.step()
    assert (decision.ground, decision.apply, decision.delete) == ((), (), ())
    assert world.condition("Accepted")["reason"] == "NamespaceTaken"
    world.forget_tenant()
    assert world.decide() == Decision()


def test_a_namespace_on_its_way_out_is_awaited() -> None:
    world = World().ready()
    assert world.namespace is not None
    world.namespace["metadata"]["deletionTimestamp"] = world.stamp()
    decision = world.step()
    assert (decision.ground, decision.apply, decision.delete) == ((), (), ())
    assert world.condition("NamespaceReady")["reason"] == "Terminating"


def test_what_somebody_changed_is_put_right() -> None:
    world = World().ready()
    ref = world.ref("networking.k8s.io/v1", "NetworkPolicy", "default-deny")
    del world.objects[ref]
    assert [each["metadata"]["name"] for each in world.decide().ground] == ["default-deny"]


def test_what_controllers_own_and_what_others_made_is_never_pruned() -> None:
    world = World().ready()
    theirs = world.ref("networking.k8s.io/v1", "Ingress", "solver")
    metadata = {"name": "solver", "namespace": "insula-alice", "labels": {names.LABEL_TENANT: "alice"}}
    world.objects[theirs] = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata}
    owned = world.ref("batch/v1", "Job", "owned")
    owner = {"labels": names.owned_labels("alice"), "ownerReferences": [{"uid": "x", "controller": True}]}
    world.objects[owned] = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "owned"} | owner}
    assert world.decide().delete == ()


def test_what_is_no_longer_rendered_goes_from_the_way_in_to_the_walls() -> None:
    world = World().ready()
    for api_version, kind in (
        ("v1", "ConfigMap"),
        ("networking.k8s.io/v1", "NetworkPolicy"),
        ("apps/v1", "Deployment"),
    ):
        metadata = {"name": "old", "namespace": "insula-alice", "labels": names.owned_labels("alice")}
        world.objects[world.ref(api_version, kind, "old")] = {
            "apiVersion": api_version,
            "kind": kind,
            "metadata": metadata,
        }
    assert deleted(world.decide()) == ["Deployment/old", "ConfigMap/old", "NetworkPolicy/old"]


def test_volumes_are_never_pruned() -> None:
    world = World().ready()
    metadata = {"name": "old", "namespace": "insula-alice", "labels": names.owned_labels("alice")}
    ref = world.ref("v1", "PersistentVolumeClaim", "old")
    world.objects[ref] = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata}
    assert world.decide().delete == ()


def test_the_namespace_knows_what_to_do_when_its_tenant_goes() -> None:
    world = World().ready()
    world.desired = a_tenant(deletion_policy=DeletionPolicy.DELETE)
    world.settle()
    assert world.memory().deletion_policy is DeletionPolicy.DELETE


def test_a_secret_that_was_lost_is_made_again() -> None:
    world = World().ready()
    del world.secrets[names.SECRET_PLATFORM_ACCOUNT]
    (wish,) = world.decide().create_secrets
    assert (wish.kind, wish.username, wish.replace) == (SecretKind.PLATFORM_ACCOUNT, "insula", False)


@pytest.mark.parametrize(
    ("owner", "username"),
    [
        ("alice@example.com", "alice"),
        ("Alice.B+home@example.com", "alice.b-home"),
        ("insula@example.com", "resident"),
        ("+++@example.com", "resident"),
    ],
)
def test_the_residents_login_is_the_first_part_of_the_address(owner: str, username: str) -> None:
    wishes = World(desired=a_tenant(owner=owner)).decide().create_secrets
    assert next(each.username for each in wishes if each.kind is SecretKind.RESIDENT_ACCOUNT) == username


def test_a_home_whose_node_is_silent_gets_room_for_its_successor_until_the_old_pod_is_gone() -> None:
    world = World().ready()
    before = quota_of(world)
    pod = world.objects[world.ref("v1", "Pod", f"{names.HOME_ASSISTANT}-1")]
    pod["status"]["conditions"] = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]
    world.settle()
    assert (before["pods"], quota_of(world)["pods"]) == ("3", "5")
    del world.objects[reference(pod)]
    world.start_home_assistant().settle()
    assert quota_of(world) == before


def quota_of(world: World) -> Manifest:
    hard: Manifest = world.objects[world.ref("v1", "ResourceQuota", "pods")]["spec"]["hard"]
    return hard
