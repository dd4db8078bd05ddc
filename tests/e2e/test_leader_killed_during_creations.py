"""The leader dies while it makes homes: the other operator takes over, and no home is lost."""

import time
from collections.abc import Callable
from datetime import datetime

import pytest

from e2e.house import MODEL, Home, insula, until
from insula.domain import names
from insula.domain.manifests import Manifest
from insula.sandbox.cluster import RELEASE_NAMESPACE, Cluster

LEASE = "insula-operator"
OPERATOR = "app.kubernetes.io/component=operator"
HOMES = ("first-born", "second-born", "third-born")


def lease(cluster: Cluster) -> Manifest:
    return dict(cluster.get("lease", LEASE, "-n", RELEASE_NAMESPACE)["spec"])


def pod_of(spec: Manifest) -> str:
    """Return the pod that holds a Lease; behind its name stands the process's number."""
    return str(spec.get("holderIdentity", "")).rpartition("-")[0]


def leader(cluster: Cluster) -> str:
    """Return the pod that leads, empty while the one that led is gone and no other has taken over."""
    pods = cluster.get("pods", "-n", RELEASE_NAMESPACE, "-l", OPERATOR)["items"]
    holder = pod_of(lease(cluster))
    return holder if holder in {pod["metadata"]["name"] for pod in pods} else ""


def renewed(spec: Manifest) -> datetime:
    return datetime.fromisoformat(spec["renewTime"])


def test_no_home_is_lost_with_the_leader(
    cluster: Cluster, model: str, a_place: Callable[[str], Home], capsys: pytest.CaptureFixture[str]
) -> None:
    homes = [a_place(name) for name in HOMES]
    doomed = until("a leader", lambda: leader(cluster))
    for home in homes:
        insula("tenant", "create", home.name, "--owner", f"{home.name}@example.com", "--model", model)
    until("a home being begun", lambda: any(home.has_namespace() for home in homes), every_s=0.1)
    cluster.kubectl("delete", "pod", doomed, "-n", RELEASE_NAMESPACE, "--grace-period=0", "--force", "--wait=false")
    killed_at = time.monotonic()
    held = [lease(cluster)]

    def passed_on() -> bool:
        held.append(lease(cluster))
        return pod_of(held[-1]) not in ("", doomed)

    until("the next leader", passed_on, every_s=0.1)
    seen_s = time.monotonic() - killed_at
    last = max(renewed(spec) for spec in held if pod_of(spec) != pod_of(held[-1]))
    silent_s = (datetime.fromisoformat(held[-1]["acquireTime"]) - last).total_seconds()
    for home in homes:
        home.wait()
        assert home.pods(names.HOME_ASSISTANT)
    done_s = time.monotonic() - killed_at
    assert homes[-1].ask()["gateway"]["model"] == MODEL
    with capsys.disabled():
        print(
            f"\nleader deleted by force: another leads after {seen_s:.1f} s, {silent_s:.1f} s after its last sign of "
            f"life; {len(homes)} homes answer after {done_s:.1f} s"
        )
