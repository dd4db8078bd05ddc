"""A cluster of many homes as the gateway sees one: lists and watches of Namespaces and EndpointSlices, and keys.

Every home has an address of its own on the loopback, all of which one Ollama answers. Homes that ask at the same time
are on different nodes, so that none waits for another.
"""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from aiohttp import web

from bench.common import serving as stand_ins
from insula.domain import names
from insula.domain.inference import Inference
from insula.domain.manifests import Manifest
from insula.services.keys import SigningKeys

VERSION: Final = "5"
BOOKMARK_EVERY_S: Final = 45.0
_IN_A_BYTE: Final = 250
NODES: Final = 500  # more than there are clients at a time
# As an API server sends them: half of an object is who wrote what.
_BOOKS: Final[list[Manifest]] = [
    {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": "v1",
        "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": {"f:labels": {f"f:insula.dev/label-{number}": {} for number in range(8)}}},
    }
    for manager in ("insula-operator", "kube-controller-manager")
]


class Homes:
    """So many homes, the first of them `home-1`, and the keys that open them."""

    def __init__(self, count: int, ollama_port: int, inference: Inference) -> None:
        self._signing = SigningKeys.generate()
        self.ids = [str(uuid.UUID(int=number)) for number in range(1, count + 1)]
        self.items: dict[str, Sequence[Manifest]] = {
            "namespaces": [_namespace(number, each, inference) for number, each in enumerate(self.ids, 1)],
            "endpointslices": [_endpoint_slice(number, ollama_port) for number in range(1, count + 1)],
        }

    def write_keys(self, directory: Path) -> Path:
        """Write what verifies keys, and the homes' keys, one a line, to `keys.txt` beside it; return the first."""
        (directory / "keys.txt").write_text("\n".join(self.keys()) + "\n")
        verify = directory / "verify.json"
        verify.write_text(self._signing.verify_keys_json())
        return verify

    def keys(self) -> list[str]:
        """Return the keys, in the homes' order."""
        return [self._signing.tenant_key(each, 1) for each in self.ids]


@contextlib.asynccontextmanager
async def serving(homes: Homes, directory: Path) -> AsyncIterator[Path]:
    """Serve the homes as an API server does; yield a kubeconfig."""

    async def answer(request: web.Request) -> web.StreamResponse:
        kind = request.path.rpartition("/")[2]
        if request.query.get("watch"):
            return await _watch(request, kind)
        items, first = homes.items.get(kind, ()), int(request.query.get("continue", "0"))
        last = first + int(request.query.get("limit", len(items)))
        metadata = {"resourceVersion": VERSION} | ({"continue": str(last)} if last < len(items) else {})
        return web.json_response({"metadata": metadata, "items": items[first:last]})

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    async with stand_ins.serving(application) as port:
        yield stand_ins.write_kubeconfig(directory / "kubeconfig", f"http://127.0.0.1:{port}")


async def _watch(request: web.Request, kind: str) -> web.StreamResponse:
    """Tell that nothing changes."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    mark = {"type": "BOOKMARK", "object": {"kind": kind, "metadata": {"resourceVersion": VERSION}}}
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(json.dumps(mark).encode() + b"\n")
            await asyncio.sleep(BOOKMARK_EVERY_S)
    return response


def address_of(number: int) -> str:
    """Return the address of a home's Ollama."""
    return f"127.{1 + number // _IN_A_BYTE**2}.{number // _IN_A_BYTE % _IN_A_BYTE}.{1 + number % _IN_A_BYTE}"


def _namespace(number: int, tenant_id: str, inference: Inference) -> Manifest:
    name = f"home-{number}"
    annotations = {names.ANNOTATION_KEY_GENERATION: "1"}
    if text := inference.to_text():
        annotations[names.ANNOTATION_INFERENCE] = text
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": names.namespace(name),
            "uid": tenant_id,
            "resourceVersion": VERSION,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "managedFields": _BOOKS,
            "labels": {names.LABEL_TENANT: name, names.LABEL_TENANT_ID: tenant_id},
            "annotations": annotations,
        },
    }


def _endpoint_slice(number: int, port: int) -> Manifest:
    endpoint = {
        "addresses": [address_of(number)],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "nodeName": f"node-{number % NODES}",
    }
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "ollama-backend-x1y2z",
            "namespace": names.namespace(f"home-{number}"),
            "resourceVersion": VERSION,
            "managedFields": _BOOKS,
            "labels": {names.LABEL_COMPONENT: names.OLLAMA},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        "endpoints": [endpoint],
    }
