"""Walls are proven by trying them: green while they stand, red with the open path's name when one is taken away."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.house import Home, insula, until
from insula.domain import names
from insula.sandbox.cluster import Cluster

OPERATOR = ("-n", "insula-system", "deployment/insula-operator")
RED = 7


def probes_of(report: dict[str, Any], verdict: str) -> list[str]:
    return [f"{each['from']} → {each['name']}" for each in report["probes"] if each["verdict"] == verdict]


def verify(home: Home) -> tuple[int, dict[str, Any], str]:
    done = insula("verify", home.name, "-o", "json", check=False)
    (report,) = json.loads(done.stdout)
    return done.returncode, report, done.stderr


@pytest.fixture
def no_operator(cluster: Cluster) -> Iterator[None]:
    """Nobody repairs anything, until the test ends."""
    replicas = cluster.kubectl("get", *OPERATOR, "-o", "jsonpath={.spec.replicas}").strip()
    cluster.kubectl("scale", *OPERATOR, "--replicas=0")
    try:
        until("no operator", lambda: not operators(cluster))
        yield
    finally:
        cluster.kubectl("scale", *OPERATOR, f"--replicas={replicas}")
        cluster.kubectl("rollout", "status", *OPERATOR, "--timeout=120s", timeout_s=130)


def operators(cluster: Cluster) -> str:
    chosen = "app.kubernetes.io/component=operator"
    return cluster.kubectl("get", "pods", "-n", "insula-system", "-l", chosen, "-o", "name").strip()


def policies(home: Home) -> set[str]:
    found = home.cluster.get("networkpolicies", "-n", home.namespace)["items"]
    return {each["metadata"]["name"] for each in found}


def test_all_probes_of_two_homes_are_green(alice: Home, bob: Home) -> None:
    done = insula("verify", alice.name, bob.name, "-o", "json")
    reports = {each["tenant"]: each for each in json.loads(done.stdout)}
    assert {name: each["verdict"] for name, each in reports.items()} == {"alice": "green", "bob": "green"}
    tried = {each["target"] for each in reports["alice"]["probes"]}
    assert f"tcp:{bob.ready_pod(names.HOME_ASSISTANT)['status']['podIP']}:{names.HOME_ASSISTANT_PORT}" in tried


def test_what_the_api_server_refuses_is_refused_for_the_reason_that_is_meant(alice: Home) -> None:
    _, report, _ = verify(alice)
    details = {each["name"]: each["detail"] for each in report["probes"] if each["from"] == "api-server"}
    for name in (
        "privileged-pod",
        "root-pod",
        "added-capability",
        "host-path",
        "host-network",
        "host-pid",
        "host-port",
    ):
        assert "violates PodSecurity" in details[name], name
    for name in ("over-quota-pod", "node-port-service", "load-balancer-service"):
        assert "exceeded quota" in details[name], name


def test_a_probe_leaves_nothing_behind_and_is_nobodys_back_end(alice: Home) -> None:
    verify(alice)
    jobs = alice.cluster.get("jobs", "-n", alice.namespace)["items"]
    assert [each for each in jobs if each["metadata"]["labels"][names.LABEL_MANAGED_BY] != names.MANAGED_BY] == []


@pytest.mark.usefixtures("no_operator")
def test_a_wall_that_was_taken_away_is_named(alice: Home, bob: Home, cluster: Cluster) -> None:
    cluster.kubectl("delete", "networkpolicy", "default-deny", "-n", alice.namespace)
    code, report, told = verify(alice)
    assert code == RED
    assert {"ollama → dns", "ollama → api-server", "ollama → kubelet"} <= set(probes_of(report, "red"))
    assert "ollama → kubelet (tcp:" in told or "ollama → dns (name:" in told
    assert verify(bob)[0] == 0  # another home's wall is another home's affair


@pytest.mark.usefixtures("no_operator")
def test_a_network_that_is_shut_altogether_is_not_green(alice: Home, cluster: Cluster) -> None:
    cluster.kubectl("delete", "networkpolicy", names.HOME_ASSISTANT, "-n", alice.namespace)
    code, report, _ = verify(alice)
    assert code == RED
    assert "home-assistant → gateway" in probes_of(report, "red")


def test_the_operator_puts_walls_back_and_the_home_is_green_again(alice: Home, cluster: Cluster) -> None:
    before = policies(alice) | {"default-deny", names.HOME_ASSISTANT}
    cluster.kubectl("delete", "networkpolicy", "default-deny", names.HOME_ASSISTANT, "-n", alice.namespace)
    until("the walls being back", lambda: policies(alice) >= before, timeout_s=30)
    assert verify(alice)[0] == 0
