"""What the cluster looks like, kind by kind, as told by its watches and by the answers to our own writes."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from insula.domain.manifests import Manifest, ObjectRef, reference
from insula.domain.names import LABEL_TENANT
from insula.kube.packing import Packed, Packer

Key = tuple[str, str]  # namespace, name

# Fields that nobody here reads and that make up half of an object's size.
_UNUSED_METADATA: Final = ("managedFields", "selfLink")
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


def slim(manifest: Manifest) -> Manifest:
    """Return the object without the bookkeeping that we do not read."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in _UNUSED_METADATA}
    if _LAST_APPLIED in metadata.get("annotations", {}):
        metadata["annotations"] = {key: text for key, text in metadata["annotations"].items() if key != _LAST_APPLIED}
    return {**manifest, "metadata": metadata}


def slim_pod(manifest: Manifest) -> Manifest:
    """Return what is read of a pod: who it is, where it is and how it does."""
    pod = slim(manifest)
    spec = {key: pod["spec"][key] for key in ("nodeName", "restartPolicy") if key in pod.get("spec", {})}
    return {**pod, "spec": spec}


def tenant_of(manifest: Manifest) -> str:
    """Return the tenant whose label an object carries, empty if none."""
    return str(manifest["metadata"].get("labels", {}).get(LABEL_TENANT, ""))


@dataclass(frozen=True, slots=True)
class _Held:
    """One object, its tenant, and its resource version as a number."""

    version: int
    tenant: str
    content: Manifest | Packed

    def manifest(self) -> Manifest:
        return self.content.manifest() if isinstance(self.content, Packed) else self.content


class Cache:
    """The objects of one kind, found by name and by tenant. It is a watch's sink.

    Args:
        packer: Packs what is held; each look at an object then unpacks it. `None`: objects are held as they came.
        index: Says which tenant an object belongs to; empty: none.
        changed: Is called with the tenant of every object that came, changed or went.
        lost: Is called with the reason of every lost connection.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        *,
        packer: Packer | None = None,
        index: Callable[[Manifest], str] = tenant_of,
        changed: Callable[[Manifest], None] = lambda _manifest: None,
        lost: Callable[[str], None] = lambda _reason: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._packer = packer
        self._index = index
        self._changed = changed
        self._lost = lost
        self._clock = clock
        self._objects: dict[Key, _Held] = {}
        self._by_tenant: dict[str, dict[Key, _Held]] = {}
        self._deleted: dict[Key, str] = {}  # the UID of what we deleted, until the watch has told of it
        self._listed: set[Key] | None = None  # what a list has told so far; None: none is under way
        self._listed_at = 0
        self._advanced_at = clock()
        self._advanced_to = 0
        self.synced = asyncio.Event()

    def get(self, name: str, namespace: str = "") -> Manifest | None:
        """Return one object, `None` where there is none."""
        held = self._objects.get((namespace, name))
        return held.manifest() if held is not None else None

    def all(self) -> Iterator[Manifest]:
        """Yield all objects."""
        return (held.manifest() for held in self._objects.values())

    def of_tenant(self, tenant: str) -> Mapping[ObjectRef, Manifest]:
        """Return the objects of one tenant."""
        manifests = [held.manifest() for held in self._by_tenant.get(tenant, {}).values()]
        return {reference(manifest): manifest for manifest in manifests}

    def tenants(self) -> Iterable[str]:
        """Return the tenants that have an object here."""
        return tuple(self._by_tenant)

    def __len__(self) -> int:
        return len(self._objects)

    def idle_s(self) -> float:
        """Return for how many seconds the watch has shown no sign of life."""
        return self._clock() - self._advanced_at

    def begin(self, resource_version: str) -> None:
        """Take note that `upsert` will tell the whole collection as it was at a resource version."""
        self._listed_at = int(resource_version)
        self._listed = set()
        if self._listed_at < self._advanced_to:
            self._begin_anew()  # the server's history went backwards: etcd was restored from a backup

    def end(self) -> None:
        """Take note that all was told: what was not is gone, unless our own write made it after the list was read."""
        self._deleted.clear()
        listed, self._listed = self._listed or set(), None
        for key, held in list(self._objects.items()):
            if key not in listed and held.version <= self._listed_at:
                self._drop(key)
        self.advance(str(self._listed_at))
        self.synced.set()

    def upsert(self, item: Manifest) -> None:
        """Take an object from the watch or from the answer to our own write, unless a newer one is here already."""
        key, version = _key(item), _version(item)
        if self._listed is not None:
            self._listed.add(key)
        held = self._objects.get(key)
        if (held is not None and held.version >= version) or self._deleted.get(key) == _uid(item):
            return
        if held is not None:
            self._unindex(key, held)
        tenant = sys.intern(self._index(item))
        held = _Held(version, tenant, self._packer.pack(item) if self._packer else item)
        self._objects[key] = held
        self._by_tenant.setdefault(tenant, {})[key] = held
        self._changed(item)

    def forget(self, item: Manifest) -> None:
        """Take note that we deleted an object: what the watch has yet to tell of it is not believed."""
        key = _key(item)
        held = self._objects.get(key)
        if held is not None and _uid(held.manifest()) == _uid(item):
            self._deleted[key] = _uid(item)
            self._drop(key)

    def remove(self, item: Manifest) -> None:
        """Take note that an object is gone, unless it has been made again since."""
        key = _key(item)
        if self._deleted.get(key) == _uid(item):
            del self._deleted[key]
        held = self._objects.get(key)
        if held is not None and held.version <= _version(item):
            self._drop(key)

    def advance(self, resource_version: str) -> None:
        """Take note of a sign of life: all changes up to a resource version are here."""
        self._advanced_at = self._clock()
        self._advanced_to = max(self._advanced_to, int(resource_version))

    def disconnected(self, reason: str) -> None:
        """Take note of a lost connection."""
        self._lost(reason)

    def _begin_anew(self) -> None:
        for key in list(self._objects):
            self._drop(key)
        self._advanced_to = 0

    def _drop(self, key: Key) -> None:
        held = self._objects.pop(key)
        self._unindex(key, held)
        self._changed(held.manifest())

    def _unindex(self, key: Key, held: _Held) -> None:
        siblings = self._by_tenant[held.tenant]
        del siblings[key]
        if not siblings:
            del self._by_tenant[held.tenant]


def _key(manifest: Manifest) -> Key:
    # Forty objects of a home are in one namespace, and ten thousand homes call theirs the same.
    metadata = manifest["metadata"]
    return sys.intern(metadata.get("namespace", "")), sys.intern(metadata["name"])


def _uid(manifest: Manifest) -> str:
    return str(manifest["metadata"].get("uid", ""))


def _version(manifest: Manifest) -> int:
    # Resource versions of one kind may be compared as numbers, which Kubernetes promises since 1.35
    # and which has been true of every etcd before.
    return int(manifest["metadata"]["resourceVersion"])
