"""A sandbox that is up is left alone by another `up`."""

import time
from typing import Any

from e2e.house import Home, insula
from insula.domain import names
from insula.domain.manifests import Manifest
from insula.sandbox.cluster import Cluster

SECONDS = 60.0  # some ten seconds on idle cores


def as_written(workload: Manifest) -> Manifest:
    """Return a workload without what its controllers report: pods that still go away are no change of ours."""
    reported = {"resourceVersion", "managedFields"}
    metadata = {key: value for key, value in workload["metadata"].items() if key not in reported}
    return {**workload, "metadata": metadata, "status": {}}


def standing(cluster: Cluster, tenant: Home) -> dict[str, Any]:
    """Return what would change if something were done again: pods and their restarts, workloads as they are written.

    Of the tenants only one counts: others may be on their way out.
    """
    tenants = cluster.get("namespaces", "-l", names.LABEL_TENANT)["items"]
    passed_over = {each["metadata"]["name"] for each in tenants} - {tenant.namespace}

    def listed(kinds: str) -> list[Manifest]:
        found = cluster.get(kinds, "-A")["items"]
        return [each for each in found if each["metadata"]["namespace"] not in passed_over]

    pods = {
        f"{pod['metadata']['namespace']}/{pod['metadata']['name']}": [
            pod["metadata"]["uid"],
            *(status["restartCount"] for status in pod["status"].get("containerStatuses", [])),
        ]
        for pod in listed("pods")
        if pod["status"]["phase"] == "Running" and not pod["metadata"].get("deletionTimestamp")
    }
    workloads = {
        f"{one['kind']} {one['metadata']['namespace']}/{one['metadata']['name']}": as_written(one)
        for one in listed("deployments,daemonsets,services")
    }
    return pods | workloads


def test_second_up_changes_nothing(cluster: Cluster, alice: Home) -> None:
    insula("sandbox", "up")  # whoever changed something since the first one finds it done here
    before, began = standing(cluster, alice), time.monotonic()
    insula("sandbox", "up")
    seconds, after = time.monotonic() - began, standing(cluster, alice)
    assert {name: (was, after.get(name)) for name, was in before.items() if after.get(name) != was} == {}
    assert seconds < SECONDS
