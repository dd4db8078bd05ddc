"""The gateway's replicas as a test sees them: where they are, and what each of them counts."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from e2e.house import MODEL, is_ready
from insula.sandbox.cluster import Cluster

NAMESPACE = "insula-system"
CHOSEN = "app.kubernetes.io/component=gateway"


@dataclass(frozen=True)
class Replica:
    """One replica of the gateway."""

    name: str
    address: str
    uid: str
    cluster: Cluster

    def kill(self) -> None:
        """Kill its process as a crash would, without a grace. The sandbox's processes are this machine's own."""
        (pid,) = self._processes()
        os.kill(pid, signal.SIGKILL)

    def _processes(self) -> Iterator[int]:
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has just ended
                words = (process / "cmdline").read_text().split("\0")
                if "gateway" in words and f"pod{self.uid}" in (process / "cgroup").read_text():
                    yield int(process.name)

    def counted(self, sample: str, **labels: str) -> float:
        """Return the sum of a metric's samples that have these labels."""
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{self.name}:8080/proxy/metrics"
        families = text_string_to_metric_families(self.cluster.kubectl("get", "--raw", path))
        samples = (each for family in families for each in family.samples)
        return sum(each.value for each in samples if each.name == sample and labels.items() <= each.labels.items())


def replicas(cluster: Cluster) -> list[Replica]:
    """Return the replicas that are ready, by name."""
    pods = cluster.get("pods", "-n", NAMESPACE, "-l", CHOSEN)["items"]
    staying = (pod for pod in pods if is_ready(pod) and not pod["metadata"].get("deletionTimestamp"))
    return [
        Replica(pod["metadata"]["name"], pod["status"]["podIP"], pod["metadata"]["uid"], cluster) for pod in staying
    ]


def a_chat(text: str, **options: Any) -> str:
    """Return the body of a chat."""
    return json.dumps({"model": MODEL, "messages": [{"role": "user", "content": text}], "options": options})
