"""Kubernetes objects as plain JSON values, and the reference that identifies one."""

from dataclasses import dataclass
from typing import Any, TypeAlias

# A Kubernetes object as JSON. Raw dictionaries on purpose: typed model objects cost more
# than everything else a controller does (design.md §7.1).
Manifest: TypeAlias = dict[str, Any]


@dataclass(frozen=True, order=True)
class ObjectRef:
    """What identifies one object: `api_version` ("apps/v1"), `kind`, `namespace` ("" if cluster-scoped), `name`."""

    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.name}"


def reference(manifest: Manifest) -> ObjectRef:
    """Return the reference of a manifest."""
    metadata = manifest["metadata"]
    return ObjectRef(manifest["apiVersion"], manifest["kind"], metadata.get("namespace", ""), metadata["name"])
