"""The leader dies while it makes homes: the other operator takes over, and no home is lost."""

import time
from collections.abc import Callable

import pytest

from e2e.house import MODEL, Home, insula, until
from insula.domain import names
from insula.sandbox.cluster import RELEASE_NAMESPACE, Cluster

LEASE = "insula-operator"
HOMES = ("first-born", "second-born", "third-born")


def holder(cluster: Cluster) -> str:
    """Return the pod that leads, empty while the one that led is gone and no other has taken over."""
    identity = str(cluster.get("lease", LEASE, "-n", RELEASE_NAMESPACE)["spec"].get("holderIdentity", ""))
    pod = identity.rpartition("-")[0]  # behind it stands the process's number
    pods = cluster.get("pods", "-n", RELEASE_NAMESPACE, "-l", "app.kubernetes.io/component=operator")["items"]
    return pod if pod in {each["metadata"]["name"] for each in pods} else ""


def test_no_home_is_lost_with_the_leader(
    cluster: Cluster, model: str, a_place: Callable[[str], Home], capsys: pytest.CaptureFixture[str]
) -> None:
    homes = [a_place(name) for name in HOMES]
    leader = until("a leader", lambda: holder(cluster))
    for home in homes:
        insula("tenant", "create", home.name, "--owner", f"{home.name}@example.com", "--model", model)
    until("a home being begun", lambda: any(home.has_namespace() for home in homes), every_s=0.1)
    # Forced: whether it has time to give its Lease back is the kubelet's affair. If not, the Lease has to run out.
    cluster.kubectl("delete", "pod", leader, "-n", RELEASE_NAMESPACE, "--grace-period=0", "--force", "--wait=false")
    killed_at = time.monotonic()
    until("the next leader", lambda: holder(cluster) not in ("", leader), every_s=0.1)
    led_s = time.monotonic() - killed_at
    for home in homes:
        home.wait()
        assert home.pods(names.HOME_ASSISTANT)
    done_s = time.monotonic() - killed_at
    answer = homes[-1].ask()
    assert answer["gateway"]["model"] == MODEL
    with capsys.disabled():
        print(
            f"\nleader killed: the next one leads after {led_s:.1f} s, {len(homes)} homes answer after {done_s:.1f} s"
        )
