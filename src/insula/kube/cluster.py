"""The operator's view of the cluster: a cache per kind, kept fresh by watches and by the answers to our own writes."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from insula.domain import names
from insula.domain.manifests import Manifest, ObjectRef
from insula.kube import caches, events, kinds, watching
from insula.kube.caches import Cache
from insula.kube.client import Client
from insula.kube.kinds import Kind
from insula.kube.packing import Packer
from insula.kube.watching import Watch

_OWNED: Final = names.LABEL_TENANT  # the selector "has this label"


@dataclass(frozen=True)
class Source:
    """One kind to follow. `owned`: only objects that carry a tenant's label."""

    kind: Kind
    owned: bool = True
    optional: bool = False


class Cluster:
    """Reads from caches, writes through them. It fulfils the ports of `services`.

    Args:
        client: Its writes are fenced where that matters.
        sources: What to follow; Tenants, Plans, Namespaces and Pods always are.
        instance: Our name in Events.
        lost: Is called with a plural and a reason whenever a watch loses its connection.
    """

    def __init__(
        self,
        client: Client,
        sources: Iterable[Source],
        *,
        instance: str,
        lost: Callable[[str, str], None] = lambda _plural, _reason: None,
    ) -> None:
        self._client = client
        self._instance = instance
        self._changed: Callable[[Manifest], None] = lambda _manifest: None
        always = (
            Source(kinds.TENANT, owned=False),
            Source(kinds.PLAN, owned=False),
            Source(kinds.NAMESPACE),
            Source(kinds.POD),
        )
        self._sources = {source.kind: source for source in (*always, *sources)}
        self._caches = {kind: self._cache(kind, lost) for kind in self._sources}

    def on_change(self, changed: Callable[[Manifest], None]) -> None:
        """Have `changed` called with every object that comes, changes or goes."""
        self._changed = changed

    async def follow(self) -> None:
        """Keep all caches fresh until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for kind, source in self._sources.items():
                watch = Watch(
                    kind,
                    selector=_OWNED if source.owned else "",
                    optional=source.optional,
                    transform=_transform(kind),
                )
                tasks.create_task(watching.follow(self._client, watch, self._caches[kind]), name=f"watch-{kind}")

    async def synced(self) -> None:
        """Return once every kind was listed."""
        for cache in self._caches.values():
            await cache.synced.wait()

    def unsynced(self) -> list[str]:
        """Return the plurals of the kinds that were not listed yet."""
        return [kind.plural for kind, cache in self._caches.items() if not cache.synced.is_set()]

    def idle_s(self) -> Mapping[str, float]:
        """Return by plural for how many seconds each watch has shown no sign of life."""
        return {kind.plural: cache.idle_s() for kind, cache in self._caches.items()}

    def sizes(self) -> Mapping[str, int]:
        """Return by plural how many objects are held."""
        return {kind.plural: len(cache) for kind, cache in self._caches.items()}

    def tenant(self, name: str) -> Manifest | None:
        """Return the Tenant, `None` where there is none."""
        return self._caches[kinds.TENANT].get(name)

    def tenants(self) -> Iterable[Manifest]:
        """Return all Tenants."""
        return self._caches[kinds.TENANT].all()

    def plan(self, name: str) -> Manifest | None:
        """Return the Plan, `None` where there is none."""
        return self._caches[kinds.PLAN].get(name)

    def plans(self) -> Iterable[Manifest]:
        """Return all Plans."""
        return self._caches[kinds.PLAN].all()

    def namespace(self, tenant: str) -> Manifest | None:
        """Return a tenant's Namespace, `None` where there is none that bears the tenant's label."""
        return self._caches[kinds.NAMESPACE].get(names.namespace(tenant))

    def homes(self) -> Iterable[str]:
        """Return the tenants that have a Namespace, with or without a Tenant."""
        return self._caches[kinds.NAMESPACE].tenants()

    def objects(self, tenant: str) -> Mapping[ObjectRef, Manifest]:
        """Return what a tenant owns in its namespace, Pods included, Secrets not."""
        namespace = names.namespace(tenant)
        return {
            ref: manifest
            for kind, cache in self._caches.items()
            if kind.namespaced
            for ref, manifest in cache.of_tenant(tenant).items()
            if ref.namespace == namespace  # a label somewhere else makes nobody ours
        }

    def holds(self, ref: ObjectRef) -> bool:
        """Say whether an object is there."""
        cache = self._caches.get(kinds.of(ref.api_version, ref.kind))
        return cache is not None and cache.get(ref.name, ref.namespace) is not None

    async def find(self, ref: ObjectRef) -> Manifest | None:
        """Return an object as the API server has it now, past the caches; `None` where there is none."""
        return await self._client.find(ref)

    async def apply(self, manifest: Manifest) -> Manifest:
        """Apply a manifest; what it has become is in the cache when this returns."""
        return self._keep(await self._client.apply(manifest))

    async def create(self, manifest: Manifest) -> Manifest:
        """Create an object; it is in the cache when this returns."""
        return self._keep(await self._client.create(manifest))

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """Apply a manifest's status; what the object has become is in the cache when this returns."""
        return self._keep(await self._client.apply_status(manifest))

    async def patch(self, ref: ObjectRef, patch: Manifest) -> Manifest:
        """Merge a patch into an object; what it has become is in the cache when this returns."""
        return self._keep(await self._client.merge_patch(ref, patch))

    async def delete(self, ref: ObjectRef) -> None:
        """Delete the object that the cache holds under this reference, and no later one of the same name.

        When this returns the cache knows that it is gone, or going.
        """
        cache = self._caches.get(kinds.of(ref.api_version, ref.kind))
        held = cache.get(ref.name, ref.namespace) if cache is not None else None
        answer = await self._client.begin_deletion(ref, uid=held["metadata"]["uid"] if held else "")
        if answer is not None and answer.get("kind") == ref.kind:
            self._keep(answer)  # something holds it up: it bears the time of its deletion now
        elif cache is not None and held is not None:
            cache.forget(held)

    async def last_lines(self, namespace: str, pod: str, *, count: int) -> list[str]:
        """Return the last lines of a pod's log."""
        return (await self._client.logs(namespace, pod, tail=count)).splitlines()

    async def record(self, event: Manifest) -> None:
        """Record an Event; its loss is logged and nothing more."""
        await events.record(self._client, {**event, "reportingInstance": self._instance})

    def _keep(self, manifest: Manifest) -> Manifest:
        kind = kinds.of(manifest["apiVersion"], manifest["kind"])
        source, cache = self._sources.get(kind), self._caches.get(kind)
        if cache is not None and source is not None and (not source.owned or caches.tenant_of(manifest)):
            cache.upsert(_transform(kind)(manifest))
        return manifest

    def _tell(self, manifest: Manifest) -> None:
        self._changed(manifest)

    def _cache(self, kind: Kind, lost: Callable[[str, str], None]) -> Cache:
        return Cache(
            packer=Packer() if kind.namespaced else None,  # of these a home has dozens, of the others one
            changed=self._tell,
            lost=lambda reason: lost(kind.plural, reason),
        )


def _transform(kind: Kind) -> Callable[[Manifest], Manifest]:
    return caches.slim_pod if kind == kinds.POD else caches.slim
