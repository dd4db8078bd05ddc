"""What an observer sees, and how little it asks."""

from typing import Any

import pytest
from services_world import FakeCluster, a_namespace, a_plan, a_tenant

from insula.domain import names
from insula.domain.errors import RefusedError, UnavailableError
from insula.domain.manifests import Manifest
from insula.domain.platform import Images, Platform
from insula.reconcile.model import PullProgress
from insula.services.observing import Observer, parse_progress

PLATFORM = Platform(domain="homes.test", images=Images("i:1", "h:1", "o:1"), release_namespace="insula-system")


def a_pull_pod(tenant: str, phase: str = "Running") -> Manifest:
    labels = {names.LABEL_TENANT: tenant, names.LABEL_COMPONENT: "pull"}
    metadata = {"name": "pull-models-x", "namespace": names.namespace(tenant), "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"phase": phase}}


def a_secret(tenant: str, name: str) -> Manifest:
    metadata = {"name": name, "namespace": names.namespace(tenant)}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {}}


async def test_a_good_tenant_is_seen_with_its_spec_resolved() -> None:
    cluster = FakeCluster(a_plan(), a_tenant("alice"))
    observed = await Observer(cluster, PLATFORM).observe("alice")
    assert observed.desired is not None
    assert observed.desired.host == "ha.alice.homes.test"
    assert observed.rejection is None
    assert observed.host_claims == {"ha.alice.homes.test": "alice"}


async def test_a_tenant_without_a_plan_is_seen_as_rejected() -> None:
    observed = await Observer(FakeCluster(a_tenant("alice")), PLATFORM).observe("alice")
    assert observed.desired is None
    assert observed.rejection is not None
    assert observed.rejection.reason == "PlanMissing"


async def test_what_was_accepted_is_read_back_from_the_namespace() -> None:
    cluster = FakeCluster(a_plan(), a_tenant("alice", access={"host": "alice.free.test"}))
    accepted = (await Observer(cluster, PLATFORM).observe("alice")).accepted_spec
    later = FakeCluster(a_tenant("alice"), a_namespace("alice", **{names.ANNOTATION_ACCEPTED_SPEC: accepted}))
    observed = await Observer(later, PLATFORM).observe("alice")
    assert observed.latched is not None
    assert observed.latched.host == "alice.free.test"


async def test_a_memory_that_was_spoilt_by_hand_is_none() -> None:
    for spoilt in ("no json", "[]", '{"plan": 1}', '{"tenant": {}, "plan": {"name": "x", "spec": {}}}'):
        namespace = a_namespace("alice", **{names.ANNOTATION_ACCEPTED_SPEC: spoilt})
        observed = await Observer(FakeCluster(a_tenant("alice"), namespace), PLATFORM).observe("alice")
        assert observed.latched is None


async def test_the_older_tenant_holds_the_host() -> None:
    host = {"host": "home.free.test"}
    younger, older = a_tenant("alice", access=host, born="2026-02-01"), a_tenant("bob", access=host, born="2026-01-01")
    observer = Observer(FakeCluster(a_plan(), younger, older), PLATFORM)
    await observer.survey()
    assert (await observer.observe("alice")).host_claims == {"home.free.test": "bob"}


async def test_a_rejected_tenant_claims_only_what_it_runs_under() -> None:
    greedy = {"access": {"host": "home.free.test"}, "homeAssistant": {"resources": {"memory": "999Gi"}}}
    cluster = FakeCluster(
        a_plan(),
        a_tenant("alice", **greedy, born="2026-01-01"),
        a_tenant("bob", access={"host": "home.free.test"}, born="2026-02-01"),
    )
    observer = Observer(cluster, PLATFORM)
    await observer.survey()
    assert (await observer.observe("bob")).host_claims == {"home.free.test": "bob"}


async def test_a_host_given_up_wakes_who_waits_for_it() -> None:
    host = {"host": "home.free.test"}
    woken: list[str] = []
    cluster = FakeCluster(
        a_plan(), a_tenant("alice", access=host, born="2026-01-01"), a_tenant("bob", access=host, born="2026-02-01")
    )
    observer = Observer(cluster, PLATFORM, wake=woken.append)
    await observer.survey()
    woken.clear()
    alice = a_tenant("alice", born="2026-01-01")
    alice["metadata"]["generation"] += 1
    del cluster.live[next(ref for ref in cluster.live if ref.name == "alice")]
    cluster.live |= FakeCluster(alice).live
    await observer.observe("alice")
    assert woken == ["bob"]
    assert (await observer.observe("bob")).host_claims == {"home.free.test": "bob"}


async def test_a_tenant_that_is_gone_claims_nothing() -> None:
    host = {"host": "home.free.test"}
    cluster = FakeCluster(
        a_plan(), a_tenant("alice", access=host, born="2026-01-01"), a_tenant("bob", access=host, born="2026-02-01")
    )
    observer = Observer(cluster, PLATFORM)
    await observer.survey()
    del cluster.live[next(ref for ref in cluster.live if ref.name == "alice")]
    await observer.observe("alice")
    assert (await observer.observe("bob")).host_claims == {"home.free.test": "bob"}


async def test_a_home_that_the_brake_holds_keeps_its_host() -> None:
    access = {"host": "home.free.test"}
    spec = await latched(access=access)
    held = {names.ANNOTATION_HELD_SINCE: "2026-03-01T00:00:00Z", names.ANNOTATION_ACCEPTED_SPEC: spec}
    home = a_namespace("alice", **held)
    home["metadata"]["creationTimestamp"] = "2026-01-01"
    cluster = FakeCluster(a_plan(), home, a_tenant("bob", access=access, born="2026-03-02"))
    observer = Observer(cluster, PLATFORM)
    await observer.observe("alice")
    assert (await observer.observe("bob")).host_claims == {"home.free.test": "alice"}


async def test_secrets_are_asked_for_once_in_a_while() -> None:
    now = [0.0]
    cluster = FakeCluster(a_plan(), a_tenant("alice"), a_namespace("alice"), a_secret("alice", "gateway-key"))
    observer = Observer(cluster, PLATFORM, clock=lambda: now[0])
    for _ in range(3):
        assert set((await observer.observe("alice")).secrets) == {"gateway-key"}
    assert len(cluster.asked) == 3  # one for each of the three that may exist
    now[0] = 301.0
    await observer.observe("alice")
    assert len(cluster.asked) == 6


async def test_a_secret_that_we_made_is_known_without_asking() -> None:
    cluster = FakeCluster(a_plan(), a_tenant("alice"), a_namespace("alice"))
    observer = Observer(cluster, PLATFORM)
    await observer.observe("alice")
    observer.keep_secret("alice", a_secret("alice", "platform-account"))
    assert set((await observer.observe("alice")).secrets) == {"platform-account"}
    assert len(cluster.asked) == 3


async def test_a_namespace_made_again_has_secrets_of_its_own() -> None:
    cluster = FakeCluster(a_plan(), a_tenant("alice"), a_namespace("alice"), a_secret("alice", "gateway-key"))
    observer = Observer(cluster, PLATFORM)
    await observer.observe("alice")
    again = a_namespace("alice")
    again["metadata"]["uid"] = "another"
    cluster.live = FakeCluster(a_plan(), a_tenant("alice"), again).live
    assert (await observer.observe("alice")).secrets == {}


async def test_secrets_that_may_not_be_read_yet_count_as_missing_for_now() -> None:
    cluster = FakeCluster(a_plan(), a_tenant("alice"), a_namespace("alice"), a_secret("alice", "gateway-key"))
    cluster.failures["find Secret/platform-account"] = [RefusedError("no role yet")]
    observer = Observer(cluster, PLATFORM)
    assert (await observer.observe("alice")).secrets == {}
    assert set((await observer.observe("alice")).secrets) == {"gateway-key"}


async def test_an_answer_that_was_had_is_not_asked_for_again_when_the_next_one_fails() -> None:
    cluster = FakeCluster(a_plan(), a_tenant("alice"), a_namespace("alice"))
    cluster.failures["find Secret/gateway-key"] = [UnavailableError("etcd is slow")]
    observer = Observer(cluster, PLATFORM)
    with pytest.raises(UnavailableError):
        await observer.observe("alice")
    await observer.observe("alice")
    assert [ref.name for ref in cluster.asked].count("platform-account") == 1


async def test_before_there_is_a_namespace_the_api_server_is_asked_to_make_sure() -> None:
    cluster = FakeCluster(a_plan(), a_tenant("alice"))
    await Observer(cluster, PLATFORM).observe("alice")
    assert [ref.kind for ref in cluster.asked] == ["Namespace"]


async def test_the_progress_of_a_pull_is_its_last_line() -> None:
    cluster = FakeCluster(a_plan(), a_tenant("alice"), a_namespace("alice"), a_pull_pod("alice"))
    cluster.logs["pull-models-x"] = [
        '{"model": "gemma3:270m", "completed": 1, "total": 10}',
        '{"model": "gemma3:270m", "completed": 4, "total": 10}',
        "a warning of somebody else's",
    ]
    observed = await Observer(cluster, PLATFORM).observe("alice")
    assert observed.pull_progress == PullProgress("gemma3:270m", 4, 10)


async def test_a_log_that_cannot_be_read_is_no_reason_to_fail() -> None:
    cluster = FakeCluster(a_plan(), a_tenant("alice"), a_namespace("alice"), a_pull_pod("alice"))
    cluster.failures["logs Pod/pull-models-x"] = [UnavailableError("the node does not answer")]
    assert (await Observer(cluster, PLATFORM).observe("alice")).pull_progress is None


async def test_a_pull_that_ended_has_no_progress() -> None:
    cluster = FakeCluster(a_plan(), a_tenant("alice"), a_namespace("alice"), a_pull_pod("alice", "Succeeded"))
    cluster.logs["pull-models-x"] = ['{"model": "gemma3:270m", "completed": 4, "total": 10}']
    assert (await Observer(cluster, PLATFORM).observe("alice")).pull_progress is None


def test_lines_that_report_nothing_are_passed_over() -> None:
    for line in ("", "[]", "7", '{"model": "x"}', '{"model": "x", "completed": null, "total": 1}', "{"):
        assert parse_progress(line) is None


async def latched(**spec: Any) -> str:
    """Return what is latched of alice with a plan that gives 1Gi."""
    observed = await Observer(FakeCluster(a_plan(), a_tenant("alice", **spec)), PLATFORM).observe("alice")
    return observed.accepted_spec


def a_larger_plan(**spec: Any) -> Manifest:
    amounts = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "2Gi"}}
    defaults = {"resources": amounts, "storageGiB": 10}
    return a_plan(**({"defaults": {"homeAssistant": defaults, "ollama": defaults}} | spec))


async def test_while_a_changed_plan_waits_the_spec_is_read_with_the_old_one() -> None:
    before = await latched()
    home = a_namespace("alice", **{names.ANNOTATION_ACCEPTED_SPEC: before})
    observed = await Observer(FakeCluster(a_larger_plan(), a_tenant("alice"), home), PLATFORM).observe("alice")
    assert observed.desired is not None
    assert observed.waiting is not None
    limits = [each.home_assistant.resources.memory_limit_mib for each in (observed.desired, observed.waiting)]
    assert limits == [2048, 1024]
    assert (observed.waiting_spec, observed.own_change) == (before, False)


async def test_a_plan_that_changed_in_its_pace_or_its_ceilings_alone_makes_nobody_wait() -> None:
    home = a_namespace("alice", **{names.ANNOTATION_ACCEPTED_SPEC: await latched()})
    for plan in (a_plan(rollout={"maxUnavailable": 1}), a_plan(ceilings={"storageGiB": 500})):
        observed = await Observer(FakeCluster(plan, a_tenant("alice"), home), PLATFORM).observe("alice")
        assert observed.waiting is None


async def test_the_pace_is_not_latched() -> None:
    paced = FakeCluster(a_plan(rollout={"maxUnavailable": 1}), a_tenant("alice"))
    assert (await Observer(paced, PLATFORM).observe("alice")).accepted_spec == await latched()


async def test_a_tenant_that_needs_the_new_plan_does_not_wait_for_it() -> None:
    home = a_namespace("alice", **{names.ANNOTATION_ACCEPTED_SPEC: await latched()})
    tenant = a_tenant("alice", homeAssistant={"resources": {"memory": "2Gi"}})
    observed = await Observer(FakeCluster(a_larger_plan(), tenant, home), PLATFORM).observe("alice")
    assert observed.desired is not None
    assert (observed.waiting, observed.own_change) == (None, True)


async def test_a_rejected_spec_is_no_change_of_what_runs() -> None:
    home = a_namespace("alice", **{names.ANNOTATION_ACCEPTED_SPEC: await latched()})
    tenant = a_tenant("alice", homeAssistant={"resources": {"memory": "64Gi"}})
    observed = await Observer(FakeCluster(a_plan(), tenant, home), PLATFORM).observe("alice")
    assert observed.rejection is not None
    assert not observed.own_change


async def test_a_neighbour_is_another_tenant_whose_home_was_claimed() -> None:
    claimed = {names.ANNOTATION_CLAIMED: "volume"}
    homes = [a_namespace("alice", **claimed), a_namespace("bob"), a_namespace("carol", **claimed)]
    cluster = FakeCluster(*(a_tenant(name) for name in ("alice", "bob", "carol")), *homes)
    observer = Observer(cluster, PLATFORM)
    assert (await observer.observe("alice")).neighbour == "carol"
    assert (await observer.observe("carol")).neighbour == "alice"
    assert (await Observer(FakeCluster(a_tenant("alice"), homes[0]), PLATFORM).observe("alice")).neighbour == ""
