"""`insula cache stats`: what it asks the gateways through the API server, and how it prints the answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from insula.cli import cache
from insula.domain.errors import InvalidSpecError, NotFoundError
from insula.domain.manifests import Manifest
from insula.kube import requests
from insula.services import cache_counts

ROW: dict[str, Any] = {"tenant": "alice", "answers": 2, "bytes": 4096, "results": {"hit": 3, "miss": 1}}


@dataclass
class FakeCluster:
    answers: dict[str, list[dict[str, Any]] | None] = field(default_factory=dict)
    phase: str = "Running"
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def list(
        self, api_version: str, kind: str, *, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        assert (api_version, kind, labels) == ("v1", "Pod", cache_counts.LABELS)
        return [{"metadata": {"name": name}, "status": {"phase": self.phase}} for name in self.answers]

    async def through_pod(self, pod: str, path: str) -> bytes:
        self.asked.append((pod, path))
        rows = self.answers[pod.partition("/")[2].removesuffix(":8080")]
        return b"<html>" if rows is None else json.dumps({"tenants": rows}).encode()


async def test_what_all_gateways_counted_is_summed_by_tenant() -> None:
    other = ROW | {"answers": 1, "bytes": 1024, "results": {"miss": 1, "bypass (tools)": 4}}
    cluster = FakeCluster({"gateway-1": [ROW, ROW | {"tenant": "Bob"}], "gateway-2": [other]})
    bob, alice = await cache_counts.read(cluster, namespace="insula-system")
    assert cluster.asked[0] == ("insula-system/gateway-1:8080", "/cache")
    assert bob.tenant == "Bob"
    assert cache.row(alice) == ("alice", "3", "5", "3", "2", "4", "60%")
    assert cache.as_json(alice)["results"] == {"bypass (tools)": 4, "hit": 3, "miss": 2}


@pytest.mark.parametrize("cluster", [FakeCluster(), FakeCluster({"gateway-1": [ROW]}, phase="Pending")])
async def test_where_no_gateway_runs_a_person_is_told_where_to_look(cluster: FakeCluster) -> None:
    with pytest.raises(NotFoundError, match="--namespace"):
        await cache_counts.read(cluster, namespace="elsewhere")


async def test_an_answer_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InvalidSpecError):
        await cache_counts.read(FakeCluster({"gateway-1": None}), namespace="insula-system")


def test_the_request_goes_through_the_api_server_to_the_pods_port() -> None:
    request = requests.through("insula-system/gateway-1:8080", "/cache", resource="pods")
    assert request.path == "/api/v1/namespaces/insula-system/pods/gateway-1:8080/proxy/cache"
    assert request.resource == "pods/proxy"
