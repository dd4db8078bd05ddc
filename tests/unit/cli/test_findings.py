import pytest
from cli_fakes import FakeCluster, a_condition, a_tenant, an_object

from insula.domain.errors import RefusedError, UnavailableError
from insula.services import diagnosis, findings
from insula.services.findings import Verdict


async def nowhere(_host: str) -> list[str]:
    return []


async def examine(cluster: diagnosis.Cluster) -> dict[str, findings.Finding]:
    return {each.check: each async for each in diagnosis.examine(cluster, nowhere)}


class SilentCluster(FakeCluster):
    async def version(self) -> str:
        raise UnavailableError("no answer within 15 s", remedy="check the API server")


class StrictCluster(FakeCluster):
    async def list(self, *_words: object, **_options: object) -> list[dict[str, object]]:
        raise RefusedError("list: forbidden (403)", remedy="check the role")


async def test_a_cluster_that_does_not_answer_is_the_only_finding() -> None:
    found = await examine(SilentCluster())
    assert list(found) == ["cluster"]
    assert found["cluster"].verdict is Verdict.FAILED


async def test_an_empty_cluster_lacks_what_insula_installs_and_every_failure_has_a_remedy() -> None:
    found = await examine(FakeCluster())
    failed = {name for name, each in found.items() if each.verdict is Verdict.FAILED}
    assert {"API tenants.insula.dev", "operator", "gateway", "plans", "ingress class", "storage class"} <= failed
    assert all(each.remedy for each in found.values() if each.verdict is not Verdict.OK)


async def test_what_a_person_may_not_read_is_a_warning_and_not_the_end() -> None:
    found = await examine(StrictCluster())
    assert found["access"].verdict is Verdict.WARNING


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ("v1.27.9", Verdict.FAILED),
        ("v1.28.0", Verdict.OK),
        ("v1.37.2+k3s1", Verdict.OK),
        ("v2.0.0", Verdict.OK),
        ("strange", Verdict.WARNING),
    ],
)
def test_versions_from_1_28_on_will_do(version: str, verdict: Verdict) -> None:
    assert findings.version(version).verdict is verdict


@pytest.mark.parametrize(
    ("daemon_set", "kubelet", "verdict"),
    [
        ("cilium", "v1.37.2", Verdict.OK),
        ("kube-flannel-ds", "v1.37.2", Verdict.FAILED),
        ("something", "v1.37.2+k3s1", Verdict.OK),
        ("something", "v1.37.2", Verdict.WARNING),
    ],
)
def test_enforcement_is_known_by_the_network_that_runs(daemon_set: str, kubelet: str, verdict: Verdict) -> None:
    daemons = [an_object("apps/v1", "DaemonSet", daemon_set, "kube-system")]
    nodes = [an_object("v1", "Node", "n1", status={"nodeInfo": {"kubeletVersion": kubelet}})]
    assert findings.network_policies(daemons, nodes).verdict is verdict


def test_a_wall_that_a_probe_went_through_says_more_than_the_network_that_runs() -> None:
    daemons = [an_object("apps/v1", "DaemonSet", "cilium", "kube-system")]
    green = a_tenant("alice", conditions=[a_condition("Isolated")])
    red = a_tenant("bob", conditions=[a_condition("Isolated", "False", "WallOpen")])
    assert findings.network_policies([], [], [green]).verdict is Verdict.OK
    found = findings.network_policies(daemons, [], [green, red])
    assert found.verdict is Verdict.FAILED
    assert "insula verify bob" in found.remedy


def test_the_default_storage_class_will_do_where_the_values_name_none() -> None:
    default = {"annotations": {findings.DEFAULT_CLASS: "true"}}
    classes = [an_object("storage.k8s.io/v1", "StorageClass", "volumes", metadata=default)]
    assert findings.storage_class("", classes).verdict is Verdict.OK
    assert findings.storage_class("fast", classes).verdict is Verdict.FAILED


def test_an_issuer_must_be_ready() -> None:
    unready = an_object("cert-manager.io/v1", "ClusterIssuer", "ca", status={"conditions": []})
    assert findings.issuer("ClusterIssuer", "ca", unready).verdict is Verdict.FAILED
    unready["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
    assert findings.issuer("ClusterIssuer", "ca", unready).verdict is Verdict.OK
