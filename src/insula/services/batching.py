"""Batches of a home, from outside of the cluster: through the API server to the gateway, with the home's own key."""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final, Protocol

from insula.domain import names
from insula.domain.batches import PATH
from insula.domain.errors import NotFoundError, UnavailableError
from insula.domain.keys import KEY_HEADER
from insula.domain.manifests import Manifest, ObjectRef

SERVICE: Final = "insula-gateway:ollama"


class Cluster(Protocol):
    """What is needed of Kubernetes. Every method may raise an InsulaError."""

    async def find(self, ref: ObjectRef) -> Manifest | None:
        """Return the object, or None where it does not exist."""
        ...

    async def through(
        self,
        service: str,
        path: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> bytes:
        """Have the API server pass a request on to a Service; return its answer."""
        ...


async def submit(cluster: Cluster, tenant: str, lines: bytes, *, namespace: str) -> dict[str, Any]:
    """Hand in a batch, a prompt a line; return what is told of it.

    Raises:
        InsulaError: It is no batch, the home has too many, or something did not answer.
    """
    return _document(await _ask(cluster, tenant, "", namespace=namespace, method="POST", body=lines))


async def look(cluster: Cluster, tenant: str, batch_id: str, *, namespace: str) -> list[dict[str, Any]]:
    """Return how far a batch is; without an id, all batches of the home.

    Raises:
        InsulaError: There is no such batch, or something did not answer.
    """
    told = _document(await _ask(cluster, tenant, f"/{batch_id}" if batch_id else "", namespace=namespace))
    return [told] if batch_id else list(told["batches"])


async def results(cluster: Cluster, tenant: str, batch_id: str, *, namespace: str) -> str:
    """Return what became of the lines that are done, a line of JSON each.

    Raises:
        InsulaError: There is no such batch, or something did not answer.
    """
    return (await _ask(cluster, tenant, f"/{batch_id}/results", namespace=namespace)).decode()


async def cancel(cluster: Cluster, tenant: str, batch_id: str, *, namespace: str) -> None:
    """Stop a batch and forget it with its results.

    Raises:
        InsulaError: There is no such batch, or something did not answer.
    """
    await _ask(cluster, tenant, f"/{batch_id}", namespace=namespace, method="DELETE")


async def _ask(
    cluster: Cluster, tenant: str, path: str, *, namespace: str, method: str = "GET", body: bytes = b""
) -> bytes:
    # A header, for the API server's audit log keeps paths and not headers.
    headers = {KEY_HEADER: await _key(cluster, tenant)}
    return await cluster.through(f"{namespace}/{SERVICE}", PATH + path, method=method, headers=headers, body=body)


async def _key(cluster: Cluster, tenant: str) -> str:
    ref = ObjectRef("v1", "Secret", names.namespace(tenant), names.SECRET_GATEWAY_KEY)
    secret = await cluster.find(ref)
    if secret is None:
        raise NotFoundError(f"there is no home {tenant} with a key", remedy="`insula tenant list` shows all homes")
    return base64.b64decode(secret["data"]["key"]).decode()


def _document(answer: bytes) -> dict[str, Any]:
    try:
        told = json.loads(answer)
    except ValueError as error:
        raise UnavailableError("the gateway's answer is no JSON") from error
    return dict(told)
