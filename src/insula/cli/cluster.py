"""The person's cluster: a thin adapter that gives the use cases what they ask of Kubernetes."""

import asyncio
import builtins
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from insula.domain.manifests import Manifest, ObjectRef
from insula.kube import config, kinds, requests
from insula.kube.client import Client
from insula.kube.requests import Request

Result = TypeVar("Result")


class Cluster:
    """Implements the ports of `services.tenancy`, `asking`, `diagnosis` and `verifying` on one client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def version(self) -> str:
        """Return the API server's version."""
        answer = await self._client.json(Request("get", "version", "GET", "/version"))
        return str(answer["gitVersion"])

    async def find(self, ref: ObjectRef) -> Manifest | None:
        """Return the object, or None where it does not exist."""
        return await self._client.find(ref)

    async def list(
        self, api_version: str, kind: str, *, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> builtins.list[Manifest]:
        """Return the objects of a kind that bear all the labels."""
        selector = ",".join(f"{key}={value}" for key, value in (labels or {}).items())
        listing = await self._client.list(kinds.of(api_version, kind), namespace=namespace, selector=selector)
        return listing.items

    async def create(self, manifest: Manifest) -> Manifest:
        """Create an object."""
        return await self._client.create(manifest)

    async def rehearse(self, manifest: Manifest) -> None:
        """Have the API server judge the creation of an object that is not kept; raises what it refuses with."""
        await self._client.json(requests.create(manifest, dry_run=True))

    async def may(self, user: str, groups: Sequence[str], attributes: Mapping[str, str]) -> bool:
        """Say whether somebody may do something."""
        answer = await self._client.json(requests.access_review(user, groups, attributes))
        return bool(answer.get("status", {}).get("allowed"))

    async def merge_patch(self, ref: ObjectRef, patch: Mapping[str, Any]) -> Manifest:
        """Merge a patch into an object."""
        return await self._client.merge_patch(ref, patch)

    async def delete(self, ref: ObjectRef) -> bool:
        """Delete an object and say whether it was there."""
        return await self._client.delete(ref)

    async def through(
        self,
        service: str,
        path: str,
        *,
        method: str = "GET",
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> bytes:
        """Have the API server pass a request on to a Service and return its answer. See `requests.through`."""
        request = requests.through(service, path, method=method, parameters=parameters, headers=headers, body=body)
        return await self._client.send(request)

    async def through_pod(self, pod: str, path: str) -> bytes:
        """Have the API server pass a GET on to a pod ("namespace/name:port") and return its answer."""
        return await self._client.send(requests.through(pod, path, resource="pods"))

    async def logs(self, namespace: str, pod: str, *, tail: int) -> str:
        """Return the last lines of a pod's log."""
        return await self._client.logs(namespace, pod, tail=tail)


@contextlib.asynccontextmanager
async def connect() -> AsyncIterator[Cluster]:
    """Open the cluster that this person's kubeconfig names."""
    async with Client(config.find()) as client:
        yield Cluster(client)


def run(work: Callable[[Cluster], Awaitable[Result]]) -> Result:
    """Run one piece of work on the person's cluster and return what it returns."""

    async def whole() -> Result:
        async with connect() as cluster:
            return await work(cluster)

    return asyncio.run(whole())
