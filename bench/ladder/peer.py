"""The floor: a plain aiohttp client that sends the same server-side applies, knows no home and decides nothing."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

from bench.ladder import world as worlds
from insula.domain import names
from insula.domain.manifests import Manifest
from insula.kube import requests
from insula.kube.config import Access
from insula.reconcile.model import SecretKind


@dataclass(frozen=True)
class Floor:
    """What the plain client reached flat out: applies a second, and its own processor time for each."""

    applies_per_s: float
    client_ms: float


class Peer:
    """Sends applies over one session, as many at a time as it is asked to."""

    def __init__(self, access: Access) -> None:
        connector = aiohttp.TCPConnector(ssl=access.ssl_context(), limit=64)
        login = {"Authorization": f"Bearer {access.token}"}
        self._session = aiohttp.ClientSession(connector=connector, headers=login)
        self._server = access.server

    async def close(self) -> None:
        """Close its connections."""
        await self._session.close()

    async def at_pace(self, homes: Sequence[str], *, per_s: float) -> list[float]:
        """Begin so many homes a second; return the seconds that each took."""
        begun_at = time.monotonic()
        tasks = []
        for number, name in enumerate(homes):
            prepared = _prepare(name)
            await asyncio.sleep(max(0.0, begun_at + number / per_s - time.monotonic()))
            tasks.append(asyncio.create_task(self._home(prepared)))
        return list(await asyncio.gather(*tasks))

    async def flat_out(self, homes: Sequence[str], *, hands: int) -> Floor:
        """Make homes (or apply unchanged ones again) with `hands` of them under way at a time."""
        prepared = [_prepare(name) for name in homes]
        count = sum(map(len, prepared))
        begun_at, used_s = time.monotonic(), time.process_time()

        async def hand() -> None:
            while prepared:
                await self._home(prepared.pop())

        await asyncio.gather(*(hand() for _ in range(hands)))
        return Floor(count / (time.monotonic() - begun_at), (time.process_time() - used_s) / count * 1000)

    async def _home(self, prepared: Sequence[requests.Request]) -> float:
        begun_at = time.monotonic()
        for request in prepared:
            async with self._session.request(
                request.method,
                self._server + request.path,
                params=dict(request.parameters),
                data=request.body,
                headers={"Content-Type": request.content_type},
            ) as response:
                response.raise_for_status()
                await response.read()
        return time.monotonic() - begun_at


def _prepare(name: str) -> list[requests.Request]:
    """Return the applies of a new home: what is rendered, and Secrets like its own."""
    namespace, *rest = worlds.manifests(name)
    return [requests.apply(each, manager="peer") for each in (namespace, *map(_secret, SecretKind, [name] * 3), *rest)]


def _secret(kind: SecretKind, name: str) -> Manifest:
    metadata = {"name": kind.value, "namespace": names.namespace(name), "labels": names.owned_labels(name)}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"key": "x" * 150}}
