"""What the sandbox runs is what it says: the real programs, each in its own version."""

from e2e.house import Home, is_ready
from insula.sandbox import versions
from insula.sandbox.cluster import Cluster


def test_api_server_is_kubernetes_of_our_version(cluster: Cluster) -> None:
    assert f'"gitVersion": "{versions.KUBERNETES}"' in cluster.kubectl("get", "--raw", "/version")


def test_there_is_one_node_and_it_is_ready(cluster: Cluster) -> None:
    nodes = cluster.get("nodes")["items"]
    assert len(nodes) == 1
    assert is_ready(nodes[0])
    assert nodes[0]["status"]["nodeInfo"]["kubeletVersion"] == versions.KUBERNETES
    assert nodes[0]["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("containerd://2.")


def test_pods_are_networked_by_cilium(cluster: Cluster) -> None:
    said = cluster.kubectl(
        "exec", "-n", "kube-system", "daemonset/cilium", "-c", "cilium-agent", "--", "cilium-agent", "--version"
    )
    assert versions.CILIUM.removeprefix("v") in said


def test_ingress_is_traefik(cluster: Cluster) -> None:
    said = cluster.kubectl("exec", "-n", "traefik", "deployment/traefik", "--", "traefik", "version")
    assert versions.TRAEFIK in said


def test_certificates_are_cert_managers(cluster: Cluster, alice: Home) -> None:
    image = cluster.get("deployment/cert-manager", "-n", "cert-manager")["spec"]["template"]["spec"]["containers"][0]
    assert image["image"].endswith(f":{versions.CERT_MANAGER}")
    issued = alice.get("certificate", "home-assistant")["status"]["conditions"]
    assert any(each["type"] == "Ready" and each["status"] == "True" for each in issued)


async def test_home_assistant_says_its_version_through_the_ingress(alice: Home) -> None:
    async with alice.entered() as home:
        assert (await home.call("GET", "/api/config"))["version"] == versions.HOME_ASSISTANT


def test_ollama_says_its_version(cluster: Cluster, alice: Home) -> None:
    said = cluster.kubectl("exec", "-n", alice.namespace, "deployment/ollama", "--", "ollama", "--version")
    assert said.strip() == f"ollama version is {versions.OLLAMA}"
