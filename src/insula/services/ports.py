"""What the use cases need of the world, as Protocols: `insula.kube.cluster.Cluster` fulfils them, tests fake them."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from insula.domain.manifests import Manifest, ObjectRef


class View(Protocol):
    """What can be seen without asking: caches."""

    def tenant(self, name: str) -> Manifest | None:
        """Return the Tenant, `None` where there is none."""

    def tenants(self) -> Iterable[Manifest]:
        """Return all Tenants."""

    def plan(self, name: str) -> Manifest | None:
        """Return the Plan, `None` where there is none."""

    def namespace(self, tenant: str) -> Manifest | None:
        """Return a tenant's Namespace, `None` where there is none that bears the tenant's label."""

    def objects(self, tenant: str) -> Mapping[ObjectRef, Manifest]:
        """Return what a tenant owns in its namespace, Pods included, Secrets not."""


class Inquiry(Protocol):
    """What must be asked of the API server."""

    async def find(self, ref: ObjectRef) -> Manifest | None:
        """Return an object as it is now; `None` where there is none."""

    async def last_lines(self, namespace: str, pod: str, *, count: int) -> list[str]:
        """Return the last lines of a pod's log."""


class Hands(Protocol):
    """What changes the cluster."""

    async def apply(self, manifest: Manifest) -> Manifest:
        """Make our fields of an object what the manifest says; return what it has become."""

    async def create(self, manifest: Manifest) -> Manifest:
        """Create an object; `ConflictError` where the name is taken."""

    async def patch(self, ref: ObjectRef, patch: Manifest) -> Manifest:
        """Merge a patch into an object; `ConflictError` where it is not the version that the patch names."""

    async def delete(self, ref: ObjectRef) -> None:
        """Delete the object that was seen, and no later one of the same name; none is fine."""

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """Apply a manifest's status."""

    async def record(self, event: Manifest) -> None:
        """Record an Event; its loss is not an error."""
