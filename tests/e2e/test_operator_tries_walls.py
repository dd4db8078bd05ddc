"""The operator's own probes find a wall that was opened behind its back, name the path, and see it shut again."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from e2e.house import Home, insula, until
from insula.domain import names
from insula.domain.manifests import Manifest

LONG_AGO: Final = '{"at": "2020-01-01T00:00:00Z", "tried": 1}'
PROBED_S: Final = 120.0


def make_due(home: Home) -> None:
    """Let the operator believe that the last try was long ago."""
    home.cluster.kubectl("annotate", "namespace", home.namespace, f"{names.ANNOTATION_WALLS}={LONG_AGO}", "--overwrite")


def isolated(home: Home, status: str) -> Manifest:
    def look() -> Manifest | None:
        found = home.condition("Isolated")
        return found if found.get("status") == status and LONG_AGO not in noted(home) else None

    return until(f"Isolated={status} of {home.name}", look, timeout_s=PROBED_S)


def noted(home: Home) -> str:
    annotations = home.cluster.get("namespace", home.namespace)["metadata"]["annotations"]
    return str(annotations.get(names.ANNOTATION_WALLS, ""))


def doctor() -> dict[str, Any]:
    found = json.loads(insula("doctor", "-o", "json", check=False).stdout)
    return next(dict(each) for each in found if each["check"] == "network policies")


@pytest.fixture
def opening(bob: Home) -> Iterator[None]:
    """A policy of somebody else's, which lets Bob's Ollama out: policies add up, so none of ours is touched."""
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "somebody-elses", "namespace": bob.namespace},
        "spec": {
            "podSelector": {"matchLabels": {names.LABEL_NETWORK: names.OLLAMA}},
            "policyTypes": ["Egress"],
            "egress": [{}],
        },
    }
    bob.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(policy))
    yield
    bob.cluster.kubectl("delete", "networkpolicy", "somebody-elses", "-n", bob.namespace, "--ignore-not-found")


def test_a_home_that_nobody_opened_is_isolated_and_the_doctor_knows_it_from_the_probes(bob: Home) -> None:
    make_due(bob)
    assert isolated(bob, "True")["reason"] == "WallsHold"
    found = doctor()
    assert found["verdict"] == "ok"
    assert "probes from inside proved it" in found["reason"]


@pytest.mark.usefixtures("opening")
def test_an_opening_behind_the_operators_back_is_named_and_its_end_is_seen(bob: Home) -> None:
    make_due(bob)
    found = isolated(bob, "False")
    assert found["reason"] == "WallOpen"
    assert "ollama → " in found["message"]
    assert bob.condition("Ready")["status"] == "True"
    assert doctor()["verdict"] == "failed"
    bob.cluster.kubectl("delete", "networkpolicy", "somebody-elses", "-n", bob.namespace)
    make_due(bob)
    assert isolated(bob, "True")["reason"] == "WallsHold"
