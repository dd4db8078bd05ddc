"""A node is lost with a home on it: the home goes on elsewhere, with all that was its own; the node comes back."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest

from e2e.areas import lets_in, make_area, names_of_areas
from e2e.house import MODEL, Home, create, insula, is_ready, purge, until
from insula.domain import names
from insula.domain.manifests import Manifest
from insula.sandbox.cluster import RELEASE_NAMESPACE, Cluster

NODE = "n2"
AREA = "Winter garden"
LOST_S = 240.0  # Kubernetes waits 40 to 55 s before it believes it, the platform of the sandbox 20 s more


@dataclass
class Loss:
    """What was seen while a node was lost with a home on it."""

    home: Home
    before: Manifest = field(default_factory=dict)
    """Home Assistant's pod on the node that is lost."""
    said: Manifest = field(default_factory=dict)
    """The condition while nobody knew whether the node would return."""
    after: Manifest = field(default_factory=dict)
    """Its successor."""
    nodes: dict[str, str] = field(default_factory=dict)
    """How the sandbox called its nodes when the lost one was started again."""
    seconds: dict[str, float] = field(default_factory=dict)


@pytest.fixture(scope="module")
def second_node(cluster: Cluster) -> Iterator[dict[str, float]]:
    """A second node, which goes when the tests end; how long it took to come."""
    began = time.monotonic()
    insula("sandbox", "up", "--nodes", "2")
    try:
        yield {"joined": time.monotonic() - began}
    finally:
        if NODE in states():
            insula("sandbox", "node", "remove", NODE)


@pytest.fixture(scope="module")
async def loss(cluster: Cluster, model: str, second_node: dict[str, float]) -> AsyncIterator[Loss]:
    """A home that lived on the second node, the node's end, and its return."""
    seen = Loss(Home("wanderer", cluster), seconds=dict(second_node))
    purge(seen.home, wait=True)
    try:
        create_on_the_node(seen.home)
        seen.before = seen.home.ready_pod(names.HOME_ASSISTANT)
        await make_area(seen.home, AREA)
        yield lose(seen)
    finally:
        purge(seen.home, wait=True)


def create_on_the_node(home: Home) -> None:
    home.cluster.kubectl("cordon", "n1")
    try:
        create(home, "--model", MODEL)
    finally:
        home.cluster.kubectl("uncordon", "n1")


def lose(seen: Loss) -> Loss:
    """Stop the node under the home and start it again when the home answers elsewhere."""
    insula("sandbox", "node", "stop", NODE)
    began = time.monotonic()
    try:
        seen.said = until("the home being told of as lost", lambda: lost(seen.home), timeout_s=LOST_S)
        seen.seconds["known as lost"] = time.monotonic() - began
        uid = seen.before["metadata"]["uid"]
        seen.after = seen.home.ready_pod(names.HOME_ASSISTANT, other_than=uid)
        seen.seconds["answers elsewhere"] = time.monotonic() - began
        seen.home.wait()
        seen.seconds["Ready elsewhere"] = time.monotonic() - began
    finally:
        began = time.monotonic()
        insula("sandbox", "node", "start", NODE)
    seen.seconds["node Ready again"] = time.monotonic() - began
    seen.nodes = states()
    print("seconds:", json.dumps({what: round(passed, 1) for what, passed in seen.seconds.items()}))
    return seen


def lost(home: Home) -> Manifest | None:
    found = home.condition("HomeAssistantReady")
    return found if found.get("reason") == "NodeNotReady" else None


def states() -> dict[str, str]:
    rows = json.loads(insula("sandbox", "node", "list", "-o", "json").stdout)
    return {row["node"]: row["state"] for row in rows}


def test_the_home_lived_on_the_node_that_was_lost(loss: Loss) -> None:
    assert loss.before["spec"]["nodeName"] == NODE


def test_the_condition_names_the_node_while_it_is_silent(loss: Loss) -> None:
    assert loss.said["status"] == "False"
    assert f"the node {NODE} does not answer" in loss.said["message"]


def test_the_home_answers_on_another_node(loss: Loss) -> None:
    assert loss.after["spec"]["nodeName"] != NODE
    assert loss.home.condition("Ready")["status"] == "True"


async def test_what_the_resident_made_is_there(loss: Loss) -> None:
    async with loss.home.entered() as home:
        assert AREA in await names_of_areas(home)


async def test_the_residents_password_opens_it(loss: Loss) -> None:
    assert await lets_in(loss.home, loss.home.resident)


def test_the_node_is_ready_again(loss: Loss) -> None:
    assert loss.nodes == {"n1": "ready", NODE: "ready"}
    assert all(is_ready(node) for node in loss.home.cluster.get("nodes")["items"])


def test_the_pod_that_was_lost_is_gone_when_its_node_is_back(loss: Loss) -> None:
    def pods() -> list[str]:
        everywhere = loss.home.cluster.get("pods", "-n", loss.home.namespace)["items"]
        return [pod["metadata"]["name"] for pod in everywhere]

    until("the lost pod being gone", lambda: loss.before["metadata"]["name"] not in pods())
    assert loss.home.ready_pod(names.HOME_ASSISTANT)["metadata"]["uid"] == loss.after["metadata"]["uid"]


@pytest.mark.parametrize("component", ["operator", "gateway"])
def test_replicas_of_a_new_revision_stand_on_different_nodes(loss: Loss, component: str) -> None:
    cluster, deployment = loss.home.cluster, f"deployment/insula-{component}"
    # A node that is Ready again stays shut to pods until Kubernetes has taken its taints away.
    until(
        "no node being tainted", lambda: not any(node["spec"].get("taints") for node in cluster.get("nodes")["items"])
    )
    cluster.kubectl("rollout", "restart", deployment, "-n", RELEASE_NAMESPACE)
    cluster.rolled_out(RELEASE_NAMESPACE, deployment)
    chosen = ("-n", RELEASE_NAMESPACE, "-l", f"app.kubernetes.io/component={component}")
    pods = [pod for pod in cluster.get("pods", *chosen)["items"] if not pod["metadata"].get("deletionTimestamp")]
    assert {pod["spec"]["nodeName"] for pod in pods} == {"n1", NODE}
