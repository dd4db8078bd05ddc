"""Namespace, quotas, policies and accounts: what a home may not do."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from builders import MODELS_UID, a_platform, a_platform_without_internet, a_situation, a_tenant, some_resources
from insula.contract.networks import Network
from insula.domain import names
from insula.domain.gpu import Gpu, GpuClass
from insula.domain.manifests import Manifest
from insula.domain.platform import Opening, PodPeer
from insula.reconcile.covers import quantity
from insula.render import accounts, network, quota, samples
from insula.render.stack import stack
from pod_security import violations

PODS = (names.HOME_ASSISTANT, names.OLLAMA)


FORBIDDEN = Network().forbidden_cidrs  # as the chart's values have it


def everything(**tenant: Any) -> list[Manifest]:
    jobs = {"pull": MODELS_UID, "converse": "fingerprint", "probe": "after nothing"}
    rendered = stack(a_situation(a_tenant(**tenant), route=True, **jobs), a_platform())
    return [*rendered.ground, *rendered.house]


def templates() -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in everything() if _has_pods(each)}


def policy(name: str, tenant: Any = None, platform: Any = None) -> Manifest:
    found = network.policies(tenant or a_tenant(), platform or a_platform())
    return next(each["spec"] for each in found if each["metadata"]["name"] == name)


@pytest.mark.parametrize("name", [*PODS, "pull-models", "converse", *map(names.probe, PODS)])
def test_every_pod_keeps_to_pod_security_restricted(name: str) -> None:
    assert list(violations(templates()[name])) == []


def test_the_namespace_refuses_other_pods() -> None:
    labels = everything()[0]["metadata"]["labels"]
    modes = {"enforce", "audit", "warn"}
    assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in modes} == {"restricted"}


def test_every_container_has_resources_and_a_read_only_root() -> None:
    for spec in templates().values():
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            assert set(container["resources"]) == {"requests", "limits"}
            assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_no_pod_gets_a_token() -> None:
    assert all(spec["automountServiceAccountToken"] is False for spec in templates().values())
    assert all(each["automountServiceAccountToken"] is False for each in accounts.service_accounts("alice"))


def test_every_object_bears_the_tenant_and_its_maker() -> None:
    for each in everything():
        assert each["metadata"]["labels"][names.LABEL_TENANT] == "alice"
        assert each["metadata"]["labels"][names.LABEL_MANAGED_BY] == names.MANAGED_BY


def test_the_operator_may_touch_secrets_by_a_role_of_this_namespace_alone() -> None:
    binding = accounts.operator_binding("alice", a_platform())
    assert binding["metadata"]["namespace"] == "insula-alice"
    assert binding["roleRef"]["name"] == "insula-tenant-secrets"
    assert binding["subjects"][0]["namespace"] == "insula-system"


def test_the_quota_of_staying_pods_is_what_these_pods_need() -> None:
    tenant = a_tenant(
        home_assistant={"resources": some_resources(400, 1000)}, ollama={"resources": some_resources(800, 3000)}
    )
    hard = quota.quotas(tenant, a_platform())[0]["spec"]["hard"]
    solver = quota.SOLVER_RESOURCES
    assert quantity(hard["limits.cpu"]) == quantity(f"{1200 + solver.cpu_limit_m}m")
    assert quantity(hard["limits.memory"]) == quantity(f"{4000 + solver.memory_limit_mib}Mi")


def test_a_home_on_a_silent_node_has_room_for_its_successor() -> None:
    tenant = a_tenant()
    calm, moving = (quota.quotas(tenant, a_platform(), moving=each)[0]["spec"]["hard"] for each in (False, True))
    assert (calm["pods"], moving["pods"]) == ("3", "5")
    needed = tenant.home_assistant.resources.memory_limit_mib + tenant.ollama.resources.memory_limit_mib
    assert int(moving["limits.memory"].removesuffix("Mi")) == int(calm["limits.memory"].removesuffix("Mi")) + needed


def test_jobs_fall_into_the_quota_of_pods_with_a_deadline() -> None:
    assert quota.quotas(a_tenant(), a_platform())[1]["spec"]["scopes"] == ["Terminating"]
    assert templates()["pull-models"]["activeDeadlineSeconds"] > 0
    assert templates()["converse"]["activeDeadlineSeconds"] > 0
    assert "activeDeadlineSeconds" not in templates()["ollama"]


@pytest.mark.parametrize("position", PODS)
def test_a_probe_stands_in_its_positions_place_and_is_in_nobodys_selector(position: str) -> None:
    (job,) = [each for each in everything() if each["metadata"]["name"] == names.probe(position)]
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert labels[names.LABEL_NETWORK] == position
    selectors = [
        each["spec"]["selector"] for each in everything() if each["kind"] == "Service" and "selector" in each["spec"]
    ]
    selectors += [each["spec"]["selector"]["matchLabels"] for each in everything() if each["kind"] == "Deployment"]
    assert len(selectors) == 4
    assert [each for each in selectors if each.items() <= labels.items()] == []


@pytest.mark.parametrize("position", PODS)
def test_a_probe_has_a_deadline_and_no_secret(position: str) -> None:
    spec = templates()[names.probe(position)]
    assert spec["activeDeadlineSeconds"] > 0
    assert [each for each in spec["volumes"] if "secret" in each] == []


def test_the_quota_of_jobs_has_room_for_all_of_them_at_once() -> None:
    hard = quota.quotas(a_tenant(), a_platform())[1]["spec"]["hard"]
    assert int(hard["pods"]) > sum(each["kind"] == "Job" for each in everything())


def test_samples_break_pod_security_but_the_plain_one_does_not() -> None:
    _, plain = samples.allowed("alice", a_platform())
    assert list(violations(plain["spec"])) == []
    breaking = {
        name for name, each in samples.forbidden("alice", a_platform()).items() if list(_violations_of(each["spec"]))
    }
    assert breaking == {
        "privileged-pod",
        "root-pod",
        "added-capability",
        "host-path",
        "host-network",
        "host-pid",
        "host-ipc",
        "privilege-escalation",
        "host-port",
    }


def _violations_of(spec: Manifest) -> Iterator[str]:
    if "containers" in spec:
        yield from violations(spec)


def test_no_service_may_open_a_node() -> None:
    hard = quota.quotas(a_tenant(), a_platform())[2]["spec"]["hard"]
    assert hard["services.nodeports"] == hard["services.loadbalancers"] == "0"


def test_volumes_fit_into_the_quota_of_their_class_exactly() -> None:
    hard = quota.quotas(a_tenant(storage_class="fast"), a_platform())[2]["spec"]["hard"]
    of_class = "fast.storageclass.storage.k8s.io"
    assert hard["requests.storage"] == hard[f"{of_class}/requests.storage"] == "30Gi"
    assert hard["persistentvolumeclaims"] == hard[f"{of_class}/persistentvolumeclaims"] == "2"


def test_volumes_of_the_default_class_are_counted_in_all() -> None:
    hard = quota.quotas(a_tenant(), a_platform())[2]["spec"]["hard"]
    assert not any("storageclass" in name for name in hard)


def test_nothing_that_insula_does_not_make_may_make_pods() -> None:
    hard = quota.quotas(a_tenant(), a_platform())[2]["spec"]["hard"]
    kinds = ("count/statefulsets.apps", "count/daemonsets.apps", "count/cronjobs.batch", "replicationcontrollers")
    assert {hard[kind] for kind in kinds} == {"0"}


def test_the_quota_allows_the_shares_of_a_gpu_that_were_asked_for() -> None:
    assert quota.quotas(a_tenant(gpu=2), a_platform())[2]["spec"]["hard"]["requests.nvidia.com/gpu"] == "2"


def test_nothing_gets_in_or_out_unless_a_policy_says_so() -> None:
    assert policy("default-deny") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_ollama_is_reached_by_the_gateway_alone_and_reaches_nobody() -> None:
    spec = policy("ollama")
    assert spec["policyTypes"] == ["Ingress"]
    (rule,) = spec["ingress"]
    (peer,) = rule["from"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "insula-system"}
    assert peer["podSelector"]["matchLabels"] == {"app.kubernetes.io/component": "gateway"}
    assert rule["ports"] == [{"protocol": "TCP", "port": 11434}]
    speakers = policy("dns")["podSelector"]["matchExpressions"][0]["values"]
    assert "ollama" not in speakers


def reached_by_home_assistant(tenant: Any = None, **platform: Any) -> dict[str, set[str]]:
    """Return the ranges that Home Assistant reaches by address, and what is taken out of each."""
    rules = policy("home-assistant", tenant, a_platform(**platform))["egress"]
    blocks = [to["ipBlock"] for rule in rules for to in rule["to"] if "ipBlock" in to]
    return {block["cidr"]: set(block.get("except", ())) for block in blocks}


def is_shut(address: str, reached: dict[str, set[str]]) -> bool:
    """Say whether no range leads to an address."""
    there = ip_address(address)
    return not any(
        there in ip_network(cidr) and not any(there in ip_network(other) for other in exceptions)
        for cidr, exceptions in reached.items()
    )


def test_home_assistant_reaches_the_internet_of_both_families() -> None:
    reached = reached_by_home_assistant(forbidden_cidrs=FORBIDDEN)
    assert [each for each in ("1.1.1.1", "2606:4700::1111", "64:ff9b::101:101") if is_shut(each, reached)] == []


@pytest.mark.parametrize(
    "address",
    [
        *("10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1", "224.0.0.251", "240.0.0.1"),
        *("0.0.0.0", "127.0.0.1", "169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
        *("::1", "fe80::1", "fd00::1", "fd00:ec2::254", "fd20:ce::254", "ff02::fb"),
        # IPv4 by another name: mapped, translated (NAT64), 6to4, Teredo.
        *("::ffff:10.0.0.1", "64:ff9b::a00:1", "64:ff9b::a9fe:a9fe", "2002:a00:1::1", "2001:0:a00:1::1"),
    ],
)
def test_home_assistant_does_not_reach_what_is_no_internet(address: str) -> None:
    assert is_shut(address, reached_by_home_assistant(forbidden_cidrs=FORBIDDEN))


def test_what_tells_of_the_machine_is_shut_whatever_the_values_say() -> None:
    reached = reached_by_home_assistant(forbidden_cidrs=())
    assert is_shut("169.254.169.254", reached)
    assert is_shut("127.0.0.1", reached)


def test_the_clusters_own_ranges_are_shut_though_they_are_public() -> None:
    reached = reached_by_home_assistant(cluster_cidrs=("203.0.113.0/24", "2001:db8::/64"))
    assert is_shut("203.0.113.7", reached)
    assert is_shut("2001:db8::7", reached)
    assert is_shut("64:ff9b::cb00:7107", reached)


def test_a_plan_may_open_a_home_its_lan() -> None:
    rules = policy("home-assistant", a_tenant(allowed_cidrs=("192.168.7.0/24",)))["egress"]
    assert {"to": [{"ipBlock": {"cidr": "192.168.7.0/24"}}]} in rules


def test_the_nodes_in_an_opened_lan_stay_shut() -> None:
    tenant = a_tenant(allowed_cidrs=("192.168.7.0/24",))
    reached = reached_by_home_assistant(tenant, cluster_cidrs=("192.168.7.10/32",))
    assert reached["192.168.7.0/24"] == {"192.168.7.10/32"}


def test_a_home_without_any_internet_has_no_rule_that_leads_everywhere() -> None:
    rules = policy("home-assistant", platform=a_platform(forbidden_cidrs=("0.0.0.0/0", "::/0")))["egress"]
    assert [rule["to"] for rule in rules if "podSelector" not in rule["to"][0]] == []


def test_a_controller_in_the_network_of_the_nodes_comes_from_there() -> None:
    platform = a_platform(ingress_cidrs=("192.0.2.0/28",))
    for name in ("home-assistant", "acme-solver"):
        (rule,) = policy(name, platform=platform)["ingress"]
        assert {"ipBlock": {"cidr": "192.0.2.0/28"}} in rule["from"]


def test_a_package_index_of_the_provider_is_opened_at_its_port() -> None:
    rules = policy("home-assistant", platform=a_platform_without_internet())["egress"]
    assert {"to": [{"ipBlock": {"cidr": "10.99.0.1/32"}}], "ports": [{"protocol": "TCP", "port": 3141}]} in rules


def test_the_pull_job_reaches_a_registry_in_the_cluster_and_not_the_internet() -> None:
    (rule,) = policy("pull-models", platform=a_platform_without_internet())["egress"]
    assert rule["to"][0]["podSelector"]["matchLabels"] == {"app": "registry"}


def test_the_pull_job_reaches_a_registry_at_an_address() -> None:
    platform = a_platform(model_registry_opening=Opening("203.0.113.5/32", 8443))
    (rule,) = policy("pull-models", platform=platform)["egress"]
    assert rule == {"to": [{"ipBlock": {"cidr": "203.0.113.5/32"}}], "ports": [{"protocol": "TCP", "port": 8443}]}


def test_the_pull_job_reaches_the_public_registry_by_https_alone() -> None:
    (rule,) = policy("pull-models")["egress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 443}]


def test_the_converse_job_reaches_its_home_and_the_gateway_alone() -> None:
    home, gateway = policy("converse")["egress"]
    assert home["to"] == [{"podSelector": {"matchLabels": {names.LABEL_NETWORK: "home-assistant"}}}]
    assert gateway["to"][0]["podSelector"]["matchLabels"] == {"app.kubernetes.io/component": "gateway"}


def test_the_certificate_solver_is_reached_by_the_ingress_controller_alone() -> None:
    spec = policy("acme-solver", platform=a_platform(ingress_controller=PodPeer("ingress")))
    assert spec["podSelector"]["matchLabels"] == {"acme.cert-manager.io/http01-solver": "true"}
    (peer,) = spec["ingress"][0]["from"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "ingress"}


def _has_pods(manifest: Manifest) -> bool:
    return "template" in manifest.get("spec", {})


def test_the_quota_forbids_every_gpu_but_the_plans() -> None:
    platform = a_platform(gpu_resources=("nvidia.com/mig-1g.10gb", "nvidia.com/mig-2g.20gb"))
    device = Gpu(GpuClass.MIG, profile="1g.10gb")
    hard = quota.quotas(a_tenant(gpu=1, device=device), platform)[2]["spec"]["hard"]
    assert {name: count for name, count in hard.items() if "nvidia" in name} == {
        "requests.nvidia.com/gpu": "0",
        "requests.nvidia.com/gpu.shared": "0",
        "requests.nvidia.com/mig-1g.10gb": "1",
        "requests.nvidia.com/mig-2g.20gb": "0",
    }


def test_while_a_home_moves_its_gpu_is_counted_twice() -> None:
    hard = quota.quotas(a_tenant(gpu=1), a_platform(), moving=True)[2]["spec"]["hard"]
    assert hard["requests.nvidia.com/gpu"] == "2"
