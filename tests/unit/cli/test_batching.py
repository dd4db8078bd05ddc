"""`insula batch`: what it asks the gateway through the API server, and with whose key."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from insula.cli import batch as printing
from insula.domain.errors import NotFoundError, UnavailableError
from insula.domain.keys import KEY_HEADER
from insula.domain.manifests import Manifest, ObjectRef
from insula.services import batching

TOLD = {
    "id": "b1",
    "status": "running",
    "request_counts": {"total": 3, "completed": 1, "failed": 1},
    "created_at": "2026-11-25T12:00:00Z",
    "expires_at": "2026-12-02T12:00:00Z",
}
WHERE = {"namespace": "insula-system"}


@dataclass
class FakeCluster:
    answer: bytes = json.dumps(TOLD).encode()
    asked: list[tuple[str, str, str, Mapping[str, str], bytes]] = field(default_factory=list)

    async def find(self, ref: ObjectRef) -> Manifest | None:
        if (ref.kind, ref.namespace, ref.name) != ("Secret", "insula-alice", "gateway-key"):
            return None
        return {"data": {"key": base64.b64encode(b"her-key").decode()}}

    async def through(
        self,
        service: str,
        path: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> bytes:
        self.asked.append((service, method, path, headers or {}, body))
        return self.answer


async def test_each_word_asks_the_gateway_with_the_homes_key_in_a_header() -> None:
    cluster = FakeCluster()
    assert await batching.submit(cluster, "alice", b"{}\n", **WHERE) == TOLD
    assert await batching.look(cluster, "alice", "b1", **WHERE) == [TOLD]
    assert await batching.results(cluster, "alice", "b1", **WHERE) == json.dumps(TOLD)
    await batching.cancel(cluster, "alice", "b1", **WHERE)
    assert [(method, path, body) for _, method, path, _, body in cluster.asked] == [
        ("POST", "/api/batch", b"{}\n"),
        ("GET", "/api/batch/b1", b""),
        ("GET", "/api/batch/b1/results", b""),
        ("DELETE", "/api/batch/b1", b""),
    ]
    assert {(service, tuple(headers.items())) for service, _, _, headers, _ in cluster.asked} == {
        ("insula-system/insula-gateway:ollama", ((KEY_HEADER, "her-key"),))
    }


async def test_all_batches_of_a_home_are_shown_without_an_id() -> None:
    cluster = FakeCluster(json.dumps({"batches": [TOLD, TOLD]}).encode())
    assert await batching.look(cluster, "alice", "", **WHERE) == [TOLD, TOLD]
    assert cluster.asked[0][2] == "/api/batch"


async def test_a_home_that_does_not_exist_is_said_not_to() -> None:
    with pytest.raises(NotFoundError, match="bob"):
        await batching.look(FakeCluster(), "bob", "", **WHERE)


async def test_an_answer_that_is_no_json_is_refused() -> None:
    with pytest.raises(UnavailableError):
        await batching.submit(FakeCluster(b"<html>"), "alice", b"", **WHERE)


def test_a_batch_is_a_row() -> None:
    assert printing.rows([TOLD]) == [("b1", "running", "3", "1", "1", "2026-12-02T12:00:00Z")]
