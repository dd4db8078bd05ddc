"""From inside a home, the forbidden ways are tried: to the neighbour, to the platform, to the node, to the cloud."""

import socket
from urllib.parse import urlsplit

import pytest

from e2e.house import LAYOUT, Home
from e2e.inside import CONNECT
from insula.domain import names
from insula.domain.errors import InsulaError
from insula.sandbox import package_index
from insula.sandbox.layout import API_SERVER_PORT, NODE_NAMES

NODE = str(LAYOUT.node_address(NODE_NAMES[0]))
KUBELET_PORT = 10250


def reached(home: Home, *targets: str) -> dict[str, str]:
    return dict(home.inside(CONNECT, *targets))


def address(home: Home, component: str) -> str:
    return str(home.ready_pod(component)["status"]["podIP"])


def test_a_home_reaches_neither_its_neighbour_nor_the_cluster(alice: Home, bob: Home) -> None:
    services = f"{bob.namespace}.svc.cluster.local"
    forbidden = [
        f"{names.HOME_ASSISTANT}.{services}:8123",
        f"{address(bob, names.HOME_ASSISTANT)}:8123",
        f"{names.OLLAMA_BACKEND}.{services}:11434",
        f"{address(bob, names.OLLAMA)}:11434",
        f"{names.OLLAMA_BACKEND}.{alice.namespace}.svc.cluster.local:11434",
        "kubernetes.default.svc.cluster.local:443",
        f"{NODE}:{API_SERVER_PORT}",
        f"{NODE}:{KUBELET_PORT}",
        "insula-gateway.insula-system.svc.cluster.local:8080",
        "registry.insula-registry.svc.cluster.local:5000",
        "169.254.169.254:80",
    ]
    found = reached(alice, *forbidden)
    # A name that is unknown would prove nothing about the wall.
    assert {target: how for target, how in found.items() if how in {"connected", "unknown name"}} == {}
    assert set(found) == set(forbidden)


def test_what_a_home_cannot_reach_is_there_for_others(bob: Home) -> None:
    for port in (API_SERVER_PORT, KUBELET_PORT):
        socket.create_connection((NODE, port), timeout=5).close()
    assert set(reached(bob, "127.0.0.1:8123", f"{address(bob, names.HOME_ASSISTANT)}:8123").values()) == {"connected"}


def test_a_home_reaches_the_gateway_and_the_package_index(alice: Home) -> None:
    index = urlsplit(package_index.url(LAYOUT)).netloc
    assert reached(alice, "ollama:11434", index) == {"ollama:11434": "connected", index: "connected"}


@pytest.mark.parametrize("target", ["kubernetes.default.svc.cluster.local/443", f"{NODE}/{API_SERVER_PORT}"])
def test_an_ollama_reaches_nobody(alice: Home, target: str) -> None:
    where = ("exec", "-n", alice.namespace, "deployment/ollama", "--", "timeout", "4", "bash", "-c")
    assert alice.cluster.kubectl(*where, "exec 3<>/dev/tcp/127.0.0.1/11434 && echo open").strip() == "open"
    with pytest.raises(InsulaError):
        alice.cluster.kubectl(*where, f"exec 3<>/dev/tcp/{target}")
