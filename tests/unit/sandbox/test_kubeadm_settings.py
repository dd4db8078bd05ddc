"""What kubeadm is told: the settings that a node made of namespaces needs."""

from typing import Any

import pytest
import yaml

from insula.sandbox import kubeadm_settings
from insula.sandbox.layout import Layout

LAYOUT = Layout.default({})


@pytest.fixture(scope="module")
def documents() -> dict[str, dict[str, Any]]:
    text = kubeadm_settings.init_settings(LAYOUT, "n1")
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def arguments(items: list[dict[str, str]]) -> dict[str, str]:
    return {item["name"]: item["value"] for item in items}


def test_kubelet_stays_below_the_nodes_own_control_group(documents: dict[str, dict[str, Any]]) -> None:
    registration = documents["InitConfiguration"]["nodeRegistration"]
    assert arguments(registration["kubeletExtraArgs"]) == {"cgroup-root": "/insula-n1", "node-ip": "10.99.0.11"}


def test_only_node_runs_everything(documents: dict[str, dict[str, Any]]) -> None:
    assert documents["InitConfiguration"]["nodeRegistration"]["taints"] == []


def test_service_addresses_leave_out_the_nodes_network(documents: dict[str, dict[str, Any]]) -> None:
    networking = documents["ClusterConfiguration"]["networking"]
    assert networking == {"podSubnet": "10.244.0.0/16", "serviceSubnet": "10.96.0.0/16"}


def test_disk_is_judged_by_bytes_and_images_stay(documents: dict[str, dict[str, Any]]) -> None:
    kubelet = documents["KubeletConfiguration"]
    assert kubelet["evictionHard"]["imagefs.available"] == "1Gi"
    assert kubelet["imageGCHighThresholdPercent"] == 100


def test_kubelet_runs_on_both_versions_of_control_groups_without_systemd(documents: dict[str, dict[str, Any]]) -> None:
    kubelet = documents["KubeletConfiguration"]
    assert (kubelet["cgroupDriver"], kubelet["failCgroupV1"], kubelet["oomScoreAdj"]) == ("cgroupfs", False, 0)


def test_proxy_uses_nftables_and_leaves_the_machines_tables(documents: dict[str, dict[str, Any]]) -> None:
    proxy = documents["KubeProxyConfiguration"]
    assert (proxy["mode"], proxy["conntrack"]) == ("nftables", {"maxPerCore": 0, "min": 0})


def test_api_server_logs_who_did_what(documents: dict[str, dict[str, Any]]) -> None:
    server = documents["ClusterConfiguration"]["apiServer"]
    assert arguments(server["extraArgs"])["audit-log-path"] == "/var/log/kubernetes/audit.log"
    assert "/var/log/kubernetes" in [volume["hostPath"] for volume in server["extraVolumes"]]
    assert yaml.safe_load(kubeadm_settings.audit_policy())["rules"] == [{"level": "Metadata"}]


def test_all_images_come_from_this_machine() -> None:
    assert len(kubeadm_settings.IMAGES) == 7
    assert all(image.startswith("localhost/insula/") for image in kubeadm_settings.IMAGES)


def test_worker_joins_the_first_node() -> None:
    text = kubeadm_settings.join_settings(LAYOUT, "n2", token="abcdef.0123456789abcdef", ca_hash="sha256:1")
    joining = yaml.safe_load(text)
    assert joining["discovery"]["bootstrapToken"]["apiServerEndpoint"] == "10.99.0.11:6443"
    assert joining["nodeRegistration"]["name"] == "n2"


def test_the_clusters_own_programs_leave_room_for_homes() -> None:
    asked = {name: yaml.safe_load(text) for name, text in kubeadm_settings.patches().items()}

    scheduler = asked["kube-scheduler+strategic.yaml"]["spec"]["containers"][0]
    coredns = asked["corednsdeployment+strategic.yaml"]["spec"]["template"]["spec"]["containers"][0]

    assert (scheduler["name"], scheduler["resources"]["requests"]) == ("kube-scheduler", {"cpu": "20m"})
    assert (coredns["name"], coredns["resources"]["requests"]) == ("coredns", {"cpu": "20m"})
