"""Twenty homes as the gateway sees them, told by a stand-in for the API server that lists and watches."""

import asyncio
import json
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from insula.domain import names
from insula.domain.inference import Inference
from insula.domain.manifests import Manifest

NODES: Final = 3
SERVICE: Final = "insula-gateway"
RELEASE: Final = "insula-system"
NAMESPACES, SLICES, LEASES = "namespaces", "endpointslices", "leases"


@dataclass(frozen=True)
class Home:
    """One home of the street."""

    name: str
    tenant_id: str

    @property
    def secret(self) -> str:
        """What its Ollama puts into every answer, and no other answer may hold."""
        return f"secret-of-{self.tenant_id}"


@dataclass
class Street:
    """The homes, and whoever watches them."""

    homes: list[Home]
    objects: dict[str, dict[str, Manifest]] = field(default_factory=lambda: {NAMESPACES: {}, SLICES: {}, LEASES: {}})
    version: int = 1
    _watchers: dict[str, set[asyncio.Queue[Manifest]]] = field(
        default_factory=lambda: {NAMESPACES: set(), SLICES: set(), LEASES: set()}
    )

    def put(self, kind: str, manifest: Manifest) -> None:
        """Make or change an object, and tell those who watch."""
        self.version += 1
        manifest["metadata"]["resourceVersion"] = str(self.version)
        key = f"{manifest['metadata'].get('namespace', '')}/{manifest['metadata']['name']}"
        event = {"type": "MODIFIED" if key in self.objects[kind] else "ADDED", "object": manifest}
        self.objects[kind][key] = manifest
        for watcher in self._watchers[kind]:
            watcher.put_nowait(event)

    def application(self) -> web.Application:
        """Return the server that lists and watches."""
        application = web.Application()
        application.router.add_get(f"/api/v1/{NAMESPACES}", self._answer)
        application.router.add_get(f"/apis/discovery.k8s.io/v1/{SLICES}", self._answer)
        application.router.add_get(f"/apis/coordination.k8s.io/v1/{LEASES}", self._answer)
        application.router.add_get(f"/apis/discovery.k8s.io/v1/namespaces/{RELEASE}/{SLICES}", self._answer)
        return application

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        kind = request.path.rpartition("/")[2]
        wanted = request.query.get("labelSelector", "")
        if request.query.get("watch"):
            return await self._watch(request, kind, wanted)
        items = [each for each in self.objects[kind].values() if _is_wanted(each, wanted)]
        return web.json_response({"metadata": {"resourceVersion": str(self.version)}, "items": items})

    async def _watch(self, request: web.Request, kind: str, wanted: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        events: asyncio.Queue[Manifest] = asyncio.Queue()
        self._watchers[kind].add(events)
        try:
            while True:
                try:
                    event = await asyncio.wait_for(events.get(), 20.0)
                except TimeoutError:
                    event = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(self.version)}}}
                if event["type"] == "BOOKMARK" or _is_wanted(event["object"], wanted):
                    await response.write(json.dumps(event).encode() + b"\n")
        finally:
            self._watchers[kind].discard(events)


def _is_wanted(manifest: Manifest, selector: str) -> bool:
    """Say whether the gateway's selector for its own Service, or for homes, means this object."""
    own: bool = manifest["metadata"].get("labels", {}).get("kubernetes.io/service-name") == SERVICE
    return bool(own) == (SERVICE in selector)


def a_street(count: int, backends: list[tuple[str, int]], doors: list[str]) -> Street:
    """Return a street of so many homes.

    Args:
        count: How many.
        backends: Address and port of the Ollama of each home, in turn.
        doors: The addresses of the gateway's replicas.
    """
    homes = [Home(f"home-{number}", str(uuid.uuid4())) for number in range(count)]
    street = Street(homes)
    for number, home in enumerate(homes):
        street.put(NAMESPACES, _namespace(home, Inference(parallel=2, cache=number % 2 == 0)))
        street.put(SLICES, _slice(home, *backends[number % len(backends)], node=f"n{number % NODES}"))
    show_doors(street, doors)
    return street


def show_doors(street: Street, ready: list[str]) -> None:
    """Tell which replicas of the gateway are ready."""
    labels = {"kubernetes.io/service-name": SERVICE}
    metadata: dict[str, Any] = {"name": SERVICE, "namespace": RELEASE, "labels": labels}
    endpoints = [{"addresses": [address], "conditions": {"ready": True}} for address in ready]
    street.put(SLICES, {"metadata": metadata, "addressType": "IPv4", "endpoints": endpoints})


def _namespace(home: Home, inference: Inference) -> Manifest:
    labels = {names.LABEL_TENANT: home.name, names.LABEL_TENANT_ID: home.tenant_id}
    annotations = {names.ANNOTATION_INFERENCE: inference.to_text()}
    return {"metadata": {"name": names.namespace(home.name), "labels": labels, "annotations": annotations}}


def _slice(home: Home, address: str, port: int, *, node: str) -> Manifest:
    labels = {names.LABEL_COMPONENT: names.OLLAMA}
    metadata = {"name": names.OLLAMA_BACKEND, "namespace": names.namespace(home.name), "labels": labels}
    endpoint = {"addresses": [address], "conditions": {"ready": True}, "nodeName": node}
    return {"metadata": metadata, "addressType": "IPv4", "ports": [{"port": port}], "endpoints": [endpoint]}
