"""Which models there are: in the registry, as images, on nodes, and who wants them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from insula.domain import names
from insula.domain.manifests import Manifest
from insula.domain.models import ModelImage
from insula.reconcile import reading, workloads
from insula.services import tenancy

KEEPERS: Final = {"app.kubernetes.io/name": "insula", "app.kubernetes.io/component": "shared-model"}
SERVERS: Final = {names.LABEL_COMPONENT: names.OLLAMA}
ANNOTATION_MODEL: Final = "insula.dev/model"


@dataclass(frozen=True)
class Stock:
    """What a registry holds: models as Ollama pulls them with their sizes in bytes, and models that have an image."""

    sizes: Mapping[str, int] = field(default_factory=dict)
    images: frozenset[str] = frozenset()


def overview(
    stock: Stock, shared: Sequence[ModelImage], tenants: Iterable[Manifest], pods: Iterable[Manifest]
) -> list[dict[str, Any]]:
    """Return every model that is somewhere or wanted.

    Args:
        stock: What the registry holds.
        shared: The images that the platform names.
        tenants: All Tenants.
        pods: The pods that keep shared models on nodes, and those of homes' Ollamas; fewer are no error.

    Returns:
        Of each model its size in bytes (0: not known), where it is, who wants it, the nodes that have it, and those of
        them whose copy was found damaged.
    """
    tenants, pods = list(tenants), list(pods)
    wanted = wanted_by(tenants)
    named = {each.model: each for each in shared}
    nodes, damaged = _nodes(tenants, pods)
    return [
        {
            "model": model,
            "sizeBytes": stock.sizes.get(model) or (named[model].size if model in named else 0),
            "inRegistry": model in stock.sizes,
            "shared": model in named,
            "wantedBy": wanted.get(model, []),
            "nodes": sorted(nodes.get(model, ())),
            "damagedOn": sorted(damaged.get(model, ())),
        }
        for model in sorted({*stock.sizes, *stock.images, *named, *wanted})
    ]


def unused(stock: Stock, shared: Iterable[ModelImage], tenants: Iterable[Manifest]) -> list[str]:
    """Return the models in the registry that no Tenant wants and the platform does not name."""
    needed = {*wanted_by(tenants), *(each.model for each in shared)}
    return sorted({*stock.sizes, *stock.images} - needed)


def wanted_by(tenants: Iterable[Manifest]) -> dict[str, list[str]]:
    """Return the names of the tenants that want each model."""
    wanted: dict[str, list[str]] = {}
    for tenant in map(tenancy.view, tenants):
        for model in tenant.models:
            wanted.setdefault(model, []).append(tenant.name)
    return wanted


def _nodes(tenants: Iterable[Manifest], pods: Iterable[Manifest]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Return on which nodes each model is, and on which it is damaged."""
    held = {
        str(tenant["metadata"]["name"]): [str(each.get("name")) for each in reading.status(tenant).get("models") or ()]
        for tenant in tenants
    }
    nodes: dict[str, set[str]] = {}
    damaged: dict[str, set[str]] = {}
    for pod in pods:
        node = str(pod.get("spec", {}).get("nodeName", ""))
        kept = reading.annotations(pod).get(ANNOTATION_MODEL)
        tenant = reading.labels(pod).get(names.LABEL_TENANT, "")
        if not node:
            continue
        if kept and _found_damage(pod):
            damaged.setdefault(kept, set()).add(node)
        if reading.holds(pod, "Ready"):
            for model in [kept] if kept else held.get(tenant, []):
                nodes.setdefault(model, set()).add(node)
    return nodes, damaged


def _found_damage(pod: Manifest) -> bool:
    ends = [
        (container.get(state) or {}).get("terminated") or {}
        for container in workloads.containers(pod)
        for state in ("state", "lastState")
    ]
    return any("FAILED" in str(end.get("message", "")) for end in ends)
