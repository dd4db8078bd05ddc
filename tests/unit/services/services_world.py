"""A cluster in memory that fulfils the ports of the use cases."""

from collections.abc import Iterable, Mapping
from typing import Any

from insula.domain import names
from insula.domain.errors import ConflictError, InsulaError
from insula.domain.manifests import Manifest, ObjectRef, reference


def a_plan(name: str = "standard", **spec: Any) -> Manifest:
    amounts = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
    defaults = {"resources": amounts, "storageGiB": 10}
    spec = {"defaults": {"homeAssistant": defaults, "ollama": defaults}, "allowedHosts": ["*.free.test"], **spec}
    return {"apiVersion": names.API_VERSION, "kind": "Plan", "metadata": {"name": name}, "spec": spec}


def a_tenant(name: str, *, born: str = "2026-01-01T00:00:00Z", **spec: Any) -> Manifest:
    return {
        "apiVersion": names.API_VERSION,
        "kind": "Tenant",
        "metadata": {"name": name, "uid": f"uid-{name}", "generation": 1, "creationTimestamp": born},
        "spec": {"owner": f"{name}@example.com", "plan": "standard", **spec},
    }


def a_namespace(tenant: str, **annotations: str) -> Manifest:
    labels = {names.LABEL_TENANT: tenant, names.LABEL_TENANT_ID: f"id-{tenant}"}
    metadata = {"name": names.namespace(tenant), "uid": f"ns-{tenant}", "labels": labels, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


class FakeCluster:
    """Objects by reference; it notes what was asked and done, and fails where it was told to."""

    def __init__(self, *objects: Manifest) -> None:
        self.live = {reference(each): each for each in objects}
        self.asked: list[ObjectRef] = []
        self.done: list[str] = []
        self.logs: dict[str, list[str]] = {}
        self.failures: dict[str, list[InsulaError]] = {}  # by "verb Kind/name": one is raised at each call

    def tenant(self, name: str) -> Manifest | None:
        return self.live.get(ObjectRef(names.API_VERSION, "Tenant", "", name))

    def tenants(self) -> Iterable[Manifest]:
        return [each for ref, each in self.live.items() if ref.kind == "Tenant"]

    def plan(self, name: str) -> Manifest | None:
        return self.live.get(ObjectRef(names.API_VERSION, "Plan", "", name))

    def plans(self) -> Iterable[Manifest]:
        return [each for ref, each in self.live.items() if ref.kind == "Plan"]

    def namespace(self, tenant: str) -> Manifest | None:
        return self.live.get(ObjectRef("v1", "Namespace", "", names.namespace(tenant)))

    def homes(self) -> Iterable[str]:
        return [
            each["metadata"]["labels"][names.LABEL_TENANT] for ref, each in self.live.items() if ref.kind == "Namespace"
        ]

    def objects(self, tenant: str) -> Mapping[ObjectRef, Manifest]:
        namespace = names.namespace(tenant)
        return {ref: each for ref, each in self.live.items() if ref.namespace == namespace and ref.kind != "Secret"}

    async def find(self, ref: ObjectRef) -> Manifest | None:
        self.asked.append(ref)
        self._fail("find", ref)
        return self.live.get(ref)

    async def last_lines(self, namespace: str, pod: str, *, count: int) -> list[str]:
        self._fail("logs", ObjectRef("v1", "Pod", namespace, pod))
        return self.logs.get(pod, [])[-count:]

    async def apply(self, manifest: Manifest) -> Manifest:
        return self._write("apply", manifest)

    async def create(self, manifest: Manifest) -> Manifest:
        if reference(manifest) in self.live:
            raise ConflictError(f"{reference(manifest)} exists already")
        return self._write("create", manifest)

    async def patch(self, ref: ObjectRef, patch: Manifest) -> Manifest:
        self._fail("patch", ref)
        self.done.append(f"patch {ref.kind}/{ref.name}")
        self.live[ref] = self.live.get(ref, {}) | patch
        return self.live[ref]

    async def delete(self, ref: ObjectRef) -> None:
        self._fail("delete", ref)
        self.done.append(f"delete {ref.kind}/{ref.name}")
        self.live.pop(ref, None)

    async def apply_status(self, manifest: Manifest) -> Manifest:
        self._fail("status", reference(manifest))
        self.done.append(f"status {manifest['kind']}/{manifest['metadata']['name']}")
        return manifest

    async def record(self, event: Manifest) -> None:
        self.done.append(f"event {event['reason']}")

    def _write(self, verb: str, manifest: Manifest) -> Manifest:
        ref = reference(manifest)
        self._fail(verb, ref)
        self.done.append(f"{verb} {ref.kind}/{ref.name}")
        self.live[ref] = manifest
        return manifest

    def _fail(self, verb: str, ref: ObjectRef) -> None:
        if queued := self.failures.get(f"{verb} {ref.kind}/{ref.name}"):
            raise queued.pop(0)
