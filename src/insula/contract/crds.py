"""The two CustomResourceDefinitions, made from the models."""

import hashlib
import json
from typing import Any, Final

from insula.contract.fields import LABEL_PATTERN
from insula.contract.plans import PlanSpec
from insula.contract.schema import Schema, structural
from insula.contract.status import PlanStatus, TenantStatus
from insula.contract.tenants import TENANT_NAME_MAX, TenantSpec
from insula.domain import names
from insula.domain.manifests import Manifest

VERSION: Final = names.API_VERSION.partition("/")[2]
# By these marks Helm takes what it made from crds/ for a part of the release, and so upgrades it. Without its CRDs
# the API server forgets every Tenant: they outlive the release.
HELM_OWNERSHIP: Final = {
    "helm.sh/resource-policy": "keep",
    "meta.helm.sh/release-name": "insula",
    "meta.helm.sh/release-namespace": "insula-system",
}
ANNOTATION_SCHEMA: Final = f"{names.GROUP}/schema"  # which definition this is; the chart compares it
_READY: Final = '.status.conditions[?(@.type=="Ready")]'


def tenant_crd() -> Manifest:
    """Return the CustomResourceDefinition of Tenant."""
    schema = _object_schema("Tenant", structural(TenantSpec), TENANT_NAME_MAX)
    schema["properties"]["status"] = structural(TenantStatus)
    return _definition(
        "Tenant",
        short_name="tn",
        schema=schema,
        columns=[
            _column("Ready", "string", f"{_READY}.status", "Whether the home answers."),
            _column("Reason", "string", f"{_READY}.reason", "What it waits for."),
            _column("URL", "string", ".status.url", "Where it is reached."),
            _column("Age", "date", ".metadata.creationTimestamp", "When the Tenant was created."),
            _column("Plan", "string", ".spec.plan", "What it may use.", wide=True),
            _column("Message", "string", f"{_READY}.message", "What to do next.", wide=True),
        ],
        subresources={"status": {}},
    )


def plan_crd() -> Manifest:
    """Return the CustomResourceDefinition of Plan."""
    ceilings = ".spec.ceilings"
    schema = _object_schema("Plan", structural(PlanSpec), 63)
    schema["properties"]["status"] = structural(PlanStatus)
    return _definition(
        "Plan",
        short_name="pl",
        schema=schema,
        columns=[
            _column("Tenants", "integer", ".status.tenants", "The homes of this plan."),
            _column("Updated", "integer", ".status.updated", "Those that have the plan as it is."),
            _column("Unavailable", "integer", ".status.unavailable", "Those that do not answer now."),
            _column("Max-Storage-GiB", "integer", f"{ceilings}.storageGiB", "The largest sum of a home's volumes."),
            _column("GPU", "string", ".spec.gpu.class", "How its homes share GPUs."),
            _column("Max-GPU", "integer", f"{ceilings}.ollama.gpu", "The most shares of a GPU."),
            _column("Age", "date", ".metadata.creationTimestamp", "When the Plan was created."),
        ],
        subresources={"status": {}},
    )


def _object_schema(kind: str, spec: Schema, name_max: int) -> Schema:
    """Return the schema of a whole object; its name is a DNS label, since namespaces and hosts are made of it."""
    return {
        "type": "object",
        "description": spec.pop("description"),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": name_max}}},
            "spec": spec,
        },
        "x-kubernetes-validations": [
            {
                "rule": f"self.metadata.name.matches(r'^({LABEL_PATTERN})$')",
                "message": f"the name of a {kind} has lower-case letters, digits and hyphens, and no dots",
            }
        ],
    }


def _definition(
    kind: str,
    *,
    short_name: str,
    schema: Schema,
    columns: list[dict[str, Any]],
    subresources: dict[str, Any],
) -> Manifest:
    singular = kind.lower()
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": columns,
        "subresources": subresources,
    }
    spec = {
        "group": names.GROUP,
        "scope": "Cluster",
        "names": {
            "kind": kind,
            "listKind": f"{kind}List",
            "plural": f"{singular}s",
            "singular": singular,
            "shortNames": [short_name],
            "categories": ["insula"],
        },
        "versions": [version],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{singular}s.{names.GROUP}",
            "labels": {names.LABEL_MANAGED_BY: "Helm"},
            "annotations": HELM_OWNERSHIP | {ANNOTATION_SCHEMA: _digest(spec)},
        },
        "spec": spec,
    }


def _digest(value: Any) -> str:
    """Return 64 bits of a hash: it only has to tell this chart's definition from another's."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _column(name: str, kind: str, path: str, description: str, *, wide: bool = False) -> dict[str, Any]:
    column = {"name": name, "type": kind, "jsonPath": path, "description": description}
    return {**column, "priority": 1} if wide else column
