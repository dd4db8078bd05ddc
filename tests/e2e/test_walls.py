"""From inside a home, the forbidden ways are tried: to the neighbour, to the platform, to the node, to the cloud.

The same doors are tried from the node, where no wall stands: a door that nobody holds open would prove nothing.
"""

import json
import sys
from urllib.parse import urlsplit

import pytest

from e2e.house import LAYOUT, Home
from e2e.inside import CONNECT
from insula.domain import names
from insula.domain.errors import InsulaError
from insula.sandbox import nodes, package_index
from insula.sandbox.commands import run
from insula.sandbox.layout import API_SERVER_PORT, NODE_NAMES

NODE = str(LAYOUT.node_address(NODE_NAMES[0]))
KUBELET_PORT = 10250
GATEWAY = f"{names.OLLAMA}:{names.OLLAMA_PORT}"


def reached(home: Home, *targets: str) -> dict[str, str]:
    return dict(home.inside(CONNECT, *targets))


def reached_from_the_node(*targets: str) -> dict[str, str]:
    enter = ("nsenter", f"--target={nodes.node_pid(LAYOUT, NODE_NAMES[0])}", "--net")
    return dict(json.loads(run([*enter, sys.executable, "-c", CONNECT, *targets])))


def pod_of(home: Home, component: str) -> str:
    return str(home.ready_pod(component)["status"]["podIP"])


def service(home: Home, namespace: str, name: str) -> str:
    return str(home.cluster.get("service", name, "-n", namespace)["spec"]["clusterIP"])


@pytest.fixture(scope="module")
def forbidden(alice: Home, bob: Home) -> list[str]:
    """Doors that are open, and that are none of Alice's business."""
    return [
        f"{pod_of(bob, names.HOME_ASSISTANT)}:{names.HOME_ASSISTANT_PORT}",
        f"{service(bob, bob.namespace, names.HOME_ASSISTANT)}:{names.HOME_ASSISTANT_PORT}",
        f"{pod_of(bob, names.OLLAMA)}:{names.OLLAMA_PORT}",
        # Her own, too, is reached through the gateway alone.
        f"{pod_of(alice, names.OLLAMA)}:{names.OLLAMA_PORT}",
        f"{service(alice, 'insula-system', 'insula-gateway')}:8080",
        f"{service(alice, 'insula-system', 'insula-ledger')}:8090",
        f"{service(alice, 'insula-registry', 'registry')}:5000",
        f"{service(alice, 'default', 'kubernetes')}:443",
        f"{NODE}:{API_SERVER_PORT}",
        f"{NODE}:{KUBELET_PORT}",
    ]


def test_a_home_reaches_neither_its_neighbour_nor_the_cluster(alice: Home, forbidden: list[str]) -> None:
    assert set(reached_from_the_node(*forbidden).values()) == {"connected"}
    found = reached(alice, *forbidden)
    assert [target for target in forbidden if found[target] == "connected"] == []


def test_a_home_resolves_names_but_a_name_opens_no_door(alice: Home, bob: Home) -> None:
    targets = [
        f"{name}.{bob.namespace}.svc.cluster.local:{port}"
        for name, port in ((names.HOME_ASSISTANT, names.HOME_ASSISTANT_PORT), (names.OLLAMA_BACKEND, names.OLLAMA_PORT))
    ]
    found = reached(alice, *targets, "nobody.insula-nowhere.svc.cluster.local:1")
    assert [found[target] for target in targets] == ["TimeoutError", "TimeoutError"]
    assert found["nobody.insula-nowhere.svc.cluster.local:1"] == "unknown name"


def test_a_home_does_not_reach_the_clouds_metadata(alice: Home) -> None:
    assert reached(alice, "169.254.169.254:80") != {"169.254.169.254:80": "connected"}


def test_a_home_reaches_the_gateway_and_the_package_index(alice: Home) -> None:
    index = urlsplit(package_index.url(LAYOUT)).netloc
    assert reached(alice, GATEWAY, index) == {GATEWAY: "connected", index: "connected"}


@pytest.mark.parametrize("target", ["kubernetes.default.svc.cluster.local/443", f"{NODE}/{API_SERVER_PORT}"])
def test_an_ollama_reaches_nobody(alice: Home, target: str) -> None:
    where = ("exec", "-n", alice.namespace, "deployment/ollama", "--", "timeout", "4", "bash", "-c")
    assert alice.cluster.kubectl(*where, "exec 3<>/dev/tcp/127.0.0.1/11434 && echo open").strip() == "open"
    with pytest.raises(InsulaError):
        alice.cluster.kubectl(*where, f"exec 3<>/dev/tcp/{target}")
