"""The chart as Helm renders it, for every example of values: its pods are as hardened as those of homes."""

import json
from pathlib import Path
from typing import Any

import pytest

from api import chart
from api.server import ApiServer
from hardening import Objects, faults
from insula.domain.manifests import Manifest
from pod_security import violations

DIGEST = f"sha256:{'1' * 64}"
EXAMPLES = sorted((chart.CHART / "ci").glob("*-values.yaml"))


def named(kind: str, name: str, *settings: str, **how: Any) -> Manifest:
    found = chart.of_kinds(kind, among=chart.rendered(*settings, **how))
    return next(each for each in found if each["metadata"]["name"] == name)


@pytest.fixture(autouse=True)
def _helm(server: ApiServer) -> None:
    """The programs have been found."""


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda path: path.stem)
def test_insulas_own_pods_keep_to_pod_security_restricted(values: Path) -> None:
    pods = list(Objects(chart.rendered(values=values)).pods)
    owners = {pod.owner for pod in pods if not pod.owner.startswith("DaemonSet insula-model-")}
    assert owners == {f"Deployment insula-{name}" for name in ("operator", "gateway", "ledger")}
    assert [broken for pod in pods for broken in violations(pod.spec)] == []


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda path: path.stem)
def test_a_release_meets_the_controls_of_the_hardening_guide(values: Path) -> None:
    assert faults(chart.rendered(values=values)) == {}


@pytest.mark.parametrize(
    ("setting", "knows_policies", "made"),
    [
        ("auto", True, 3),
        ("auto", False, 0),
        ("always", False, 3),
        ("never", True, 0),
    ],
)
def test_the_admission_policies_come_where_the_cluster_knows_them(
    setting: str, knows_policies: bool, made: int
) -> None:
    objects = chart.rendered(f'admission.policies="{setting}"', knows_policies=knows_policies)
    for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"):
        assert len(chart.of_kinds(kind, among=objects)) == made


def test_each_shared_model_is_kept_on_nodes_by_pods_of_its_own() -> None:
    def images(*models: str) -> str:
        entries = [{"model": each, "image": f"r.test/{each[:2]}@{DIGEST}", "digest": DIGEST} for each in models]
        return f"sharedModels.images={json.dumps(entries)}"

    one = chart.of_kinds("DaemonSet", among=chart.rendered(images("gemma3:270m")))
    both = chart.of_kinds("DaemonSet", among=chart.rendered(images("qwen3:8b", "gemma3:270m")))
    assert [each["metadata"]["annotations"]["insula.dev/model"] for each in both] == ["qwen3:8b", "gemma3:270m"]
    # Another model beside it restarts nothing.
    assert one[0] in both
    volumes = one[0]["spec"]["template"]["spec"]["volumes"]
    assert volumes[0]["image"]["reference"] == f"r.test/ge@{DIGEST}"


def test_nodes_keep_no_model_where_the_provider_says_so() -> None:
    entries = json.dumps([{"model": "a:1", "image": f"r.test/a@{DIGEST}", "digest": DIGEST}])
    rendered = chart.rendered(f"sharedModels.images={entries}", "sharedModels.keepOnNodes=false")
    assert chart.of_kinds("DaemonSet", among=rendered) == []


def test_the_values_name_who_is_not_held() -> None:
    policy = named(
        "ValidatingAdmissionPolicy",
        "insula-homes",
        'admission.breakGlassGroups=["fire-brigade"]',
        'admission.controllers=[{"namespace":"velero","name":"server"}]',
    )
    (condition,) = policy["spec"]["matchConditions"]
    assert 'group in ["fire-brigade"]' in condition["expression"]
    assert '"system:serviceaccount:velero:server"' in condition["expression"]


@pytest.mark.parametrize("name", ["insula-operator", "insula-gateway", "insula-ledger"])
def test_only_a_scraper_that_the_values_name_reads_the_metrics(name: str) -> None:
    closed = named("NetworkPolicy", name)["spec"].get("ingress", [])
    opened = named("NetworkPolicy", name, 'metrics.scraper={"namespace":"monitoring","labels":{"app":"prometheus"}}')
    (rule,) = [each for each in opened["spec"]["ingress"] if each not in closed]
    assert rule["ports"] == [{"protocol": "TCP", "port": 8080}]
    (peer,) = rule["from"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}
    assert peer["podSelector"]["matchLabels"] == {"app": "prometheus"}


def test_an_upgrade_that_reuses_values_without_a_ledger_makes_the_usual_one() -> None:
    usual = [each for each in chart.rendered() if each["metadata"]["name"] == "insula-ledger"]
    assert [each for each in chart.rendered("ledger=null") if each["metadata"]["name"] == "insula-ledger"] == usual
    assert {each["kind"] for each in usual} >= {"Deployment", "Service", "PersistentVolumeClaim", "NetworkPolicy"}


def test_a_ledger_in_postgresql_needs_no_volume_and_takes_its_url_from_the_secret() -> None:
    setting = 'ledger.database.secretName="database"'
    assert not chart.of_kinds("PersistentVolumeClaim", among=chart.rendered(setting))
    pod = named("Deployment", "insula-ledger", setting)["spec"]["template"]["spec"]
    (volume,) = [each for each in pod["volumes"] if "secret" in each]
    assert volume["secret"] == {"secretName": "database", "items": [{"key": "url", "path": "url"}]}
    (container,) = pod["containers"]
    assert [each["name"] for each in container["volumeMounts"]] == ["tmp", volume["name"]]


def test_a_gateways_second_port_is_reached_by_known_api_servers_alone() -> None:
    rules = named("NetworkPolicy", "insula-gateway", 'network.apiServer.cidrs=["10.0.0.1/32"]')["spec"]["ingress"]
    (rule,) = [rule for rule in rules if {"protocol": "TCP", "port": 8080} in rule["ports"]]
    assert rule["from"] == [{"ipBlock": {"cidr": "10.0.0.1/32"}}]


def test_a_ledger_is_reached_by_gateways_the_operator_and_known_api_servers() -> None:
    (rule,) = named("NetworkPolicy", "insula-ledger", 'network.apiServer.cidrs=["10.0.0.1/32"]')["spec"]["ingress"]
    pods = [each["podSelector"]["matchLabels"] for each in rule["from"] if "podSelector" in each]
    assert [labels["app.kubernetes.io/component"] for labels in pods] == ["gateway", "operator"]
    assert [each["ipBlock"] for each in rule["from"] if "ipBlock" in each] == [{"cidr": "10.0.0.1/32"}]
    assert rule["ports"] == [{"protocol": "TCP", "port": 8090}]
