"""Which tenant stands behind an identity, where its Ollama listens, whose home an address is: folded from two watches.

The directory keeps only the fields that a request needs, a few hundred bytes a tenant.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias

from insula.domain import names
from insula.domain.inference import Inference
from insula.domain.key_rotation import Grace
from insula.domain.manifests import Manifest
from insula.gateway import endpoints


@dataclass(frozen=True)
class TenantRoute:
    """Where one tenant's requests go.

    Attributes:
        backend: "address:port" of a ready Ollama, or None when none is ready.
        node: The node that it runs on, "" when none is ready.
    """

    tenant_id: str
    name: str
    namespace: str
    key_generation: int
    backend: str | None
    key_grace: Grace = field(default_factory=Grace)
    inference: Inference = field(default_factory=Inference)
    node: str = ""
    pulled: tuple[tuple[str, str], ...] = ()
    """Names and digests of the models that the home's volume holds, as the operator wrote them down."""

    @property
    def group(self) -> str:
        """The name of those who compute on the same processor: the homes of a node, or this home alone."""
        return f"home/{self.tenant_id}" if self.inference.alone or not self.node else f"node/{self.node}"

    def takes(self, generation: int, now: datetime) -> bool:
        """Say whether keys of a generation open: the one in force, and older ones within their grace."""
        older = generation < self.key_generation
        return generation == self.key_generation or (older and self.key_grace.covers(generation, now))


class Directory(Protocol):
    """What the gateway asks about tenants."""

    @property
    def synced(self) -> bool:
        """Whether the directory has seen all tenants and backends at least once."""
        ...

    def find(self, tenant_id: str) -> TenantRoute | None:
        """Return the tenant's route, or None when no tenant has this identity."""
        ...

    def living_at(self, address: str) -> frozenset[str]:
        """Return the identities of the tenants whose home has this address; empty when it is nobody's home."""
        ...


_Ready: TypeAlias = tuple[str, str]  # "address:port" and node


@dataclass(frozen=True, slots=True)
class _Home:
    tenant_id: str
    name: str
    namespace: str
    key_generation: int
    key_grace: Grace
    inference: Inference
    pulled: tuple[tuple[str, str], ...]


@dataclass
class WatchedDirectory:
    """A directory that is told of Namespaces and EndpointSlices as watches see them.

    Every method takes raw objects and is idempotent; `replace_…` is for a full list, which also forgets the rest.
    """

    on_change: Callable[[str], None] = lambda _namespace: None
    """Is called with the namespace of a home whose Ollamas have changed."""
    _homes: dict[str, _Home] = field(default_factory=dict)  # by namespace
    _by_id: dict[str, str] = field(default_factory=dict)  # tenant-id → namespace
    _slices: dict[str, dict[str, tuple[_Ready, ...]]] = field(default_factory=dict)  # namespace → slice → ready Ollamas
    _homes_at: dict[str, set[tuple[str, str]]] = field(default_factory=dict)  # address → (namespace, slice) of homes
    _addresses: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)  # (namespace, slice) → addresses
    _namespaces_listed: bool = False
    _slices_listed: bool = False

    @property
    def synced(self) -> bool:
        """Whether both kinds have been listed at least once."""
        return self._namespaces_listed and self._slices_listed

    @property
    def size(self) -> int:
        """How many tenants are known."""
        return len(self._by_id)

    def find(self, tenant_id: str) -> TenantRoute | None:
        """Return the tenant's route, or None when no tenant has this identity."""
        namespace = self._by_id.get(tenant_id)
        if namespace is None:
            return None
        home = self._homes[namespace]
        ready = sorted(each for found in self._slices.get(namespace, {}).values() for each in found)
        backend, node = ready[0] if ready else (None, "")
        return TenantRoute(
            tenant_id=home.tenant_id,
            name=home.name,
            namespace=home.namespace,
            key_generation=home.key_generation,
            backend=backend,
            node=node,
            key_grace=home.key_grace,
            inference=home.inference,
            pulled=home.pulled,
        )

    def living_at(self, address: str) -> frozenset[str]:
        """Return the identities of the tenants whose home has this address; empty when it is nobody's home.

        More than one only while an address passes from a pod that went to a new one.
        """
        found = (self._homes.get(namespace) for namespace, _ in self._homes_at.get(address, ()))
        return frozenset(home.tenant_id for home in found if home is not None)

    def replace_namespaces(self, manifests: Iterable[Manifest]) -> None:
        """Take the full list of tenants' Namespaces."""
        self._homes.clear()
        self._by_id.clear()
        found = [(_created(each), home) for each in manifests if (home := _home(each)) is not None]
        for _, home in sorted(found, key=lambda pair: pair[0]):
            self._put_tenant(home)
        self._namespaces_listed = True

    def put_namespace(self, manifest: Manifest) -> None:
        """Take a Namespace that was added or changed; one that is going away, or is no tenant's, is forgotten."""
        home = _home(manifest)
        self.drop_namespace(manifest)
        if home is not None:
            self._put_tenant(home)

    def drop_namespace(self, manifest: Manifest) -> None:
        """Forget a Namespace."""
        home = self._homes.pop(manifest["metadata"]["name"], None)
        if home is not None:
            del self._by_id[home.tenant_id]

    def replace_slices(self, manifests: Iterable[Manifest]) -> None:
        """Take the full list of the EndpointSlices of Ollamas and homes."""
        self._slices.clear()
        self._homes_at.clear()
        self._addresses.clear()
        for manifest in manifests:
            self.put_slice(manifest)
        self._slices_listed = True
        for namespace in self._homes:
            self.on_change(namespace)

    def put_slice(self, manifest: Manifest) -> None:
        """Take an EndpointSlice that was added or changed."""
        metadata = manifest["metadata"]
        if _is_of_a_home(manifest):
            self._put_home(metadata["namespace"], metadata["name"], _all_addresses(manifest))
        else:
            self._slices.setdefault(metadata["namespace"], {})[metadata["name"]] = _ready_ollamas(manifest)
            self.on_change(metadata["namespace"])

    def drop_slice(self, manifest: Manifest) -> None:
        """Forget an EndpointSlice."""
        metadata = manifest["metadata"]
        self._put_home(metadata["namespace"], metadata["name"], ())
        of_namespace = self._slices.get(metadata["namespace"], {})
        of_namespace.pop(metadata["name"], None)
        if not of_namespace:
            self._slices.pop(metadata["namespace"], None)
        self.on_change(metadata["namespace"])

    def _put_tenant(self, home: _Home) -> None:
        """Take a tenant. An identity belongs to the Namespace that bore it first: a copied label takes over no key."""
        if home.tenant_id not in self._by_id:
            self._homes[home.namespace] = home
            self._by_id[home.tenant_id] = home.namespace

    def _put_home(self, namespace: str, name: str, addresses: tuple[str, ...]) -> None:
        """Note at which addresses a home is, in place of those that one of its slices named before."""
        key = (namespace, name)
        for address in self._addresses.pop(key, ()):
            self._homes_at[address].discard(key)
            if not self._homes_at[address]:
                del self._homes_at[address]
        if addresses:
            self._addresses[key] = addresses
        for address in addresses:
            self._homes_at.setdefault(address, set()).add(key)


def _created(manifest: Manifest) -> str:
    return str(manifest["metadata"].get("creationTimestamp", ""))


def _home(namespace: Manifest) -> _Home | None:
    metadata = namespace["metadata"]
    labels = metadata.get("labels") or {}
    tenant_id = labels.get(names.LABEL_TENANT_ID, "")
    if not tenant_id or metadata.get("deletionTimestamp"):
        return None
    annotations = metadata.get("annotations") or {}
    generation = annotations.get(names.ANNOTATION_KEY_GENERATION, "1")
    return _Home(
        tenant_id=tenant_id,
        name=labels.get(names.LABEL_TENANT, metadata["name"]),
        namespace=metadata["name"],
        # An annotation that is no number lets nobody in: no key has generation 0.
        key_generation=int(generation) if generation.isdecimal() else 0,
        key_grace=Grace.from_text(annotations.get(names.ANNOTATION_KEY_GRACE, "")),
        inference=Inference.from_text(annotations.get(names.ANNOTATION_INFERENCE, "")),
        pulled=_pulled(annotations.get(names.ANNOTATION_PULLED, "")),
    )


def _pulled(annotation: str) -> tuple[tuple[str, str], ...]:
    """Read what the volume holds; what a person spoilt by hand reads as nothing."""
    try:
        models = json.loads(annotation or "{}").get("models") or {}
        return tuple(sorted((str(name), str(digest)) for name, digest in models.items()))
    except (ValueError, AttributeError):
        return ()


def _is_of_a_home(endpoint_slice: Manifest) -> bool:
    labels = endpoint_slice["metadata"].get("labels") or {}
    return bool(labels.get(names.LABEL_COMPONENT) == names.HOME_ASSISTANT)


def _all_addresses(endpoint_slice: Manifest) -> tuple[str, ...]:
    """Return the addresses of all pods behind a slice: one that is not ready can speak all the same."""
    return tuple(
        address for endpoint in endpoint_slice.get("endpoints") or [] for address in endpoint.get("addresses", [])
    )


def _ready_ollamas(endpoint_slice: Manifest) -> tuple[_Ready, ...]:
    ports = [port.get("port") for port in endpoint_slice.get("ports") or [] if port.get("port")]
    if not ports or endpoint_slice.get("addressType") not in {"IPv4", "IPv6"}:
        return ()
    found = endpoints.addresses(endpoint_slice, ready=True)
    return tuple((endpoints.at(address, ports[0]), node) for address, node in found)
