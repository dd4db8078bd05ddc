"""Shares of a GPU, as far as they can be tried without one: the device is simulated, all around it is real."""

import json
from collections.abc import Callable, Iterator

import pytest
import yaml

from e2e.house import Home, create, insula, until
from insula.domain import names
from insula.domain.manifests import Manifest
from insula.sandbox.cluster import Cluster
from insula.sandbox.commands import CommandError

DEVICE, GPU = "simulated-0", "nvidia.com/gpu"
PLAN = "gpu-shares"
NODE = "n1"


@pytest.fixture
def plan(cluster: Cluster) -> Iterator[str]:
    """A plan whose homes get a share of a GPU each; the device has two."""
    amounts = {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}}
    part = {"resources": amounts, "storageGiB": 2}
    spec = {"defaults": {"homeAssistant": part, "ollama": part}, "gpu": {"class": "shared"}}
    manifest = {"apiVersion": names.API_VERSION, "kind": "Plan", "metadata": {"name": PLAN}, "spec": spec}
    insula("sandbox", "gpu", "start", "--devices", "1", "--shares", "2")
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(manifest))
    yield PLAN
    cluster.kubectl("delete", "plan", PLAN, "--ignore-not-found")
    insula("sandbox", "gpu", "stop")


def a_pod(home: Home) -> Manifest:
    """Return a pod that only the quota of GPUs has anything against: it has a deadline, so there is room for it."""
    container = {
        "name": "x",
        "image": "x",
        "resources": {"limits": {GPU: "1", "cpu": "100m", "memory": "64Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x", "namespace": home.namespace},
        "spec": {
            "activeDeadlineSeconds": 60,
            "automountServiceAccountToken": False,
            "securityContext": security,
            "containers": [container],
        },
    }


def pool() -> Manifest:
    (found,) = [each for each in json.loads(insula("gpu", "list", "-o", "json").stdout) if each["node"] == NODE]
    return dict(found)


def wait_for(home: Home, reason: str) -> Manifest:
    def look() -> Manifest | None:
        found = home.condition("OllamaReady")
        return found if found.get("reason") == reason else None

    return until(f"OllamaReady of {home.name} being {reason}", look)


def events(home: Home) -> set[str]:
    found = home.cluster.get("events", "-n", "default", "--field-selector", f"involvedObject.name={home.name}")["items"]
    return {str(each["reason"]) for each in found}


def test_two_homes_share_a_device_that_fails_and_returns(
    cluster: Cluster, plan: str, a_place: Callable[[str], Home]
) -> None:
    homes = [a_place("sharer-one"), a_place("sharer-two")]
    for home in homes:
        create(home, "--plan", plan)

    # Both are packed on the one device, and nothing of it is free.
    seen = pool()
    assert {holder["tenant"] for holder in seen["holders"]} == {home.name for home in homes}
    assert {device.partition("::")[0] for holder in seen["holders"] for device in holder["devices"]} == {DEVICE}
    assert (seen["capacity"], seen["healthy"], seen["free"]) == (2, 2, 0)

    # A third pod with a GPU is refused by the home's quota, and a second share by the plan.
    with pytest.raises(CommandError, match=f"exceeded quota.*{GPU}"):
        cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(a_pod(homes[0])))
    cluster.kubectl("patch", "tenant", homes[0].name, "--type=merge", "-p", '{"spec": {"ollama": {"gpu": 2}}}')
    refused = until("the refusal", lambda: _with_reason(homes[0].condition("Accepted"), "CeilingExceeded"))
    assert "spec.ollama.gpu is 2" in refused["message"]
    cluster.kubectl("patch", "tenant", homes[0].name, "--type=merge", "-p", '{"spec": {"ollama": {"gpu": null}}}')

    # The device fails: both are told so, and get other pods, which nothing carries.
    before = [home.ready_pod(names.OLLAMA)["metadata"]["uid"] for home in homes]
    insula("sandbox", "gpu", "fail", DEVICE)
    for home in homes:
        assert DEVICE in wait_for(home, "GPUFailed")["message"]
    for home in homes:
        until(f"a pending pod of {home.name}", lambda home=home: _pending(home))  # type: ignore[misc]
        assert home.condition("OllamaReady")["reason"] == "GPUFailed"
        assert "GPUFailed" in events(home)
    assert pool()["healthy"] == 0

    # It returns: both run again, as other pods than before.
    insula("sandbox", "gpu", "heal", DEVICE)
    for home, uid in zip(homes, before, strict=True):
        home.ready_pod(names.OLLAMA, other_than=uid)
        wait_for(home, "Running")
        home.wait()


def _with_reason(condition: Manifest, reason: str) -> Manifest | None:
    return condition if condition.get("reason") == reason else None


def _pending(home: Home) -> bool:
    phases = {pod["status"]["phase"] for pod in home.pods(names.OLLAMA)}
    return "Pending" in phases and "Running" not in phases
