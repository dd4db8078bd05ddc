"""Keeps what the gateway knows current: tenants' Namespaces, the EndpointSlices of homes, Ollamas and the gateway."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from insula.domain import names
from insula.domain.manifests import Manifest
from insula.gateway.activities import Activities
from insula.gateway.replicas import Replicas
from insula.gateway.tenants import WatchedDirectory
from insula.kube import kinds, watching
from insula.kube.caches import slim
from insula.kube.client import Client
from insula.kube.packing import Packed, Packer

# Bookmarks come about once a minute. A watch that shows nothing for this long has stopped, whatever it says.
STALE_AFTER_S: Final = 300.0
LABEL_SERVICE: Final = "kubernetes.io/service-name"  # set by Kubernetes


@dataclass
class Feed:
    """Hands on what one watch sees, and remembers when it last showed a sign of life."""

    take_all: Callable[[Iterable[Manifest]], None]
    take: Callable[[Manifest], None]
    forget: Callable[[Manifest], None]
    clock: Callable[[], float] = time.monotonic
    seen_at: float = field(init=False)
    # What a list has told so far, packed: unpacked, thousands of objects at once would be most of the memory that this
    # process ever needs. None: no list is under way.
    _listed: list[Packed] | None = None
    _packer: Packer = field(default_factory=Packer)

    def __post_init__(self) -> None:
        self.seen_at = self.clock()

    def begin(self, resource_version: str) -> None:
        """Begin to take the whole collection."""
        self._listed = []

    def end(self) -> None:
        """Take the whole collection."""
        self.take_all(packed.manifest() for packed in self._listed or [])
        self._listed = None
        self.seen_at = self.clock()

    def upsert(self, item: Manifest) -> None:
        """Take one object that was listed, added or changed."""
        if self._listed is not None:
            self._listed.append(self._packer.pack(item))
        else:
            self.take(item)

    def remove(self, item: Manifest) -> None:
        """Take one object that is gone."""
        self.forget(item)

    def advance(self, resource_version: str) -> None:
        """Take note of a sign of life."""
        self.seen_at = self.clock()

    def disconnected(self, reason: str) -> None:
        """Nothing to do: `follow` reconnects, and `silent_s` grows until it has."""

    def silent_s(self) -> float:
        """For how many seconds the watch has shown no sign of life."""
        return self.clock() - self.seen_at


class Watches:
    """The watches that feed a directory, and tell of the gateway's replicas.

    Args:
        directory: Is told of homes and Ollamas.
        replicas: Is told of the gateway's own Service.
        activities: Is told of the Leases that say which Ollamas sleep.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        directory: WatchedDirectory,
        replicas: Replicas,
        activities: Activities,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.namespaces = Feed(
            directory.replace_namespaces, directory.put_namespace, directory.drop_namespace, clock=clock
        )
        self.slices = Feed(directory.replace_slices, directory.put_slice, directory.drop_slice, clock=clock)
        self.activities = Feed(activities.replace, activities.put, activities.drop, clock=clock)
        self.replicas = Feed(replicas.replace, replicas.put, replicas.drop, clock=clock)

    @property
    def stale(self) -> bool:
        """Whether a watch has stopped advancing: what the directory says may be untrue."""
        return max(self.namespaces.silent_s(), self.slices.silent_s()) > STALE_AFTER_S

    async def run(self, client: Client, *, namespace: str = "", service: str = "") -> None:
        """Follow them until cancelled.

        Args:
            client: The cluster.
            namespace: Where the gateway's Service is.
            service: Its name; "": there is one replica alone.
        """
        async with asyncio.TaskGroup() as group:
            tenants = watching.Watch(kinds.NAMESPACE, selector=names.LABEL_TENANT_ID, transform=slim)
            group.create_task(watching.follow(client, tenants, self.namespaces))
            components = f"{names.LABEL_COMPONENT} in ({names.HOME_ASSISTANT},{names.OLLAMA})"
            pods = watching.Watch(kinds.ENDPOINT_SLICE, selector=components, transform=slim)
            group.create_task(watching.follow(client, pods, self.slices))
            leases = watching.Watch(kinds.LEASE, selector=names.LABEL_TENANT, fields=f"metadata.name={names.ACTIVITY}")
            group.create_task(watching.follow(client, leases, self.activities))
            if service:
                selector = f"{LABEL_SERVICE}={service}"
                own = watching.Watch(kinds.ENDPOINT_SLICE, selector=selector, namespace=namespace)
                group.create_task(watching.follow(client, own, self.replicas))
