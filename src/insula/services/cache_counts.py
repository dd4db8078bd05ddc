"""Asks every gateway what came of its cache, through the API server, and sums it up by tenant."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from insula.domain.errors import InvalidSpecError, NotFoundError
from insula.domain.manifests import Manifest

LABELS: Final = {"app.kubernetes.io/name": "insula", "app.kubernetes.io/component": "gateway"}
PORT: Final = 8080
PATH: Final = "/cache"
HIT: Final = "hit"
MISS: Final = "miss"


class Pods(Protocol):
    """What finds the gateways, and passes requests on to them."""

    async def list(
        self, api_version: str, kind: str, *, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        """Return the objects of a kind that bear all the labels."""

    async def through_pod(self, pod: str, path: str) -> bytes:
        """Return a pod's answer; an InsulaError where there is none."""


@dataclass
class Counts:
    """What came of one tenant's prompts, in all gateways since each of them started. `results` counts by word."""

    tenant: str
    answers: int = 0
    kept_bytes: int = 0
    results: Counter[str] = field(default_factory=Counter)

    @property
    def bypasses(self) -> int:
        """How many prompts were computed without a look into the cache."""
        return self.results.total() - self.results[HIT] - self.results[MISS]

    @property
    def hit_share(self) -> float:
        """Which part of the prompts that were looked for was found, from 0 to 1; 0 when none was looked for."""
        return self.results[HIT] / max(1, self.results[HIT] + self.results[MISS])


async def read(cluster: Pods, *, namespace: str) -> list[Counts]:
    """Return what came of the cache by tenant, in the order of their names.

    Raises:
        InsulaError: There is no gateway, one did not answer, or this person may not ask it.
    """
    pods = await cluster.list("v1", "Pod", namespace=namespace, labels=LABELS)
    running = [pod["metadata"]["name"] for pod in pods if pod.get("status", {}).get("phase") == "Running"]
    if not running:
        remedy = "name the namespace that Insula stands in: --namespace"
        raise NotFoundError(f"there is no gateway in the namespace {namespace}", remedy=remedy)
    answers = [await cluster.through_pod(f"{namespace}/{name}:{PORT}", PATH) for name in running]
    found: dict[str, Counts] = {}
    for answer in answers:
        for row in _rows(answer):
            counts = found.setdefault(row["tenant"], Counts(row["tenant"]))
            counts.answers += row["answers"]
            counts.kept_bytes += row["bytes"]
            counts.results.update(row["results"])
    return sorted(found.values(), key=lambda counts: counts.tenant)


def _rows(answer: bytes) -> list[dict[str, Any]]:
    try:
        return list(json.loads(answer)["tenants"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidSpecError("a gateway gave an answer that is no count of a cache") from error
