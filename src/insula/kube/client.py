"""The one HTTP client of a process: sends what `requests` prepared and returns raw JSON."""

import asyncio
import contextlib
import copy
import math
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Protocol, Self

import aiohttp
import orjson
from aiohttp.abc import AbstractStreamWriter

from insula.domain.errors import NotFoundError, UnavailableError
from insula.domain.manifests import Manifest, ObjectRef
from insula.domain.names import FIELD_MANAGER
from insula.kube import answers, requests
from insula.kube.config import Access
from insula.kube.kinds import Kind
from insula.kube.requests import Request

# The longest that one attempt may take. An apply takes about 10 ms, a list of many objects takes its time.
WRITE_TIMEOUT_S: Final = 6.0
READ_TIMEOUT_S: Final = 20.0
MAX_ATTEMPTS: Final = 4
# A caller sits out a shorter wait that the server asks for; a longer one is the caller's own to plan.
PATIENCE_S: Final = 5.0
MAX_CONNECTIONS: Final = 64  # HTTP/1.1: one request a connection at a time


class Meter(Protocol):
    """Counts API calls: verb, resource, HTTP status (0: no answer) and seconds."""

    def __call__(self, verb: str, resource: str, status: int, seconds: float, /) -> None:
        """Count one call."""


class Listing:
    """A collection or a page of it, and the resource version at which it was read."""

    def __init__(self, items: list[Manifest], resource_version: str) -> None:
        self.items = items
        self.resource_version = resource_version


# Says for how many seconds this process may write from now on; raises when it may not.
Fence = Callable[[], float]


def _uncounted(_verb: str, _resource: str, _status: int, _seconds: float, /) -> None:
    return None


class _FencedBody(aiohttp.BytesPayload):
    """The body of a write, which asks the fence again in the moment in which it goes out.

    Since the first question a connection was made, or the process stood still. A request that lacks its body is not
    carried out.
    """

    def __init__(self, body: bytes, may_write: Fence) -> None:
        super().__init__(body)
        self._may_write = may_write

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        self._may_write()
        await super().write_with_length(writer, content_length)


class Client:
    """Speaks to one API server as one identity.

    Use it as an async context manager; `fenced` gives a second view of the same connections whose writes stop the
    moment that `may_write` objects.

    Args:
        access: The server and who we are.
        meter: Is told of each call.
        may_write: Asked before each write, which is cut off when that time is over, and again as it goes out.
    """

    def __init__(self, access: Access, *, meter: Meter = _uncounted, may_write: Fence = lambda: math.inf) -> None:
        self.access = access
        self._meter = meter
        self._may_write = may_write
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self.access.ssl_context(), limit=MAX_CONNECTIONS, keepalive_timeout=60)
        # No limit on the whole by default: watches last minutes. `send` bounds each plain request itself.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, headers={"User-Agent": "insula"})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    def fenced(self, may_write: Fence) -> Self:
        """Return a view of this client that asks `may_write` before each write."""
        view = copy.copy(self)
        view._may_write = may_write
        return view

    async def get(self, ref: ObjectRef) -> Manifest:
        """Return one object.

        Raises:
            NotFoundError: It does not exist.
        """
        return await self.json(requests.get(ref))

    async def find(self, ref: ObjectRef) -> Manifest | None:
        """Return one object, or `None` where there is none."""
        try:
            return await self.get(ref)
        except NotFoundError:
            return None

    async def list(self, kind: Kind, *, namespace: str = "", selector: str = "", fields: str = "") -> Listing:
        """Return a whole collection, read in pages, consistent at one resource version.

        Raises:
            ExpiredError: The pages took so long that the first one's state is gone: list again.
        """
        items: list[Manifest] = []
        resource_version = ""
        async for page in self.pages(kind, namespace=namespace, selector=selector, fields=fields):
            items += page.items
            resource_version = page.resource_version
        return Listing(items, resource_version)

    async def pages(
        self, kind: Kind, *, namespace: str = "", selector: str = "", fields: str = ""
    ) -> AsyncIterator[Listing]:
        """Yield a whole collection page by page, all of them as they were at one resource version. See `list`."""
        resume = ""
        while True:
            request = requests.list_page(kind, namespace=namespace, selector=selector, fields=fields, resume=resume)
            page = await self.json(request)
            # Items of a list carry neither apiVersion nor kind; everything behind this line expects both.
            items = [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in page.get("items") or []]
            yield Listing(items, page["metadata"]["resourceVersion"])
            resume = page["metadata"].get("continue", "")
            if not resume:
                return

    async def apply(self, manifest: Manifest, *, manager: str = FIELD_MANAGER) -> Manifest:
        """Create the object or make our fields what the manifest says, by force; return what it has become."""
        return await self.json(requests.apply(manifest, manager=manager))

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """Apply the `status` of a manifest; a `metadata.uid` in it makes sure that it is still the same object."""
        return await self.json(requests.apply(manifest, subresource="status"))

    async def create(self, manifest: Manifest) -> Manifest:
        """Create an object.

        Raises:
            ConflictError: The name is taken.
        """
        return await self.json(requests.create(manifest))

    async def merge_patch(self, ref: ObjectRef, patch: Mapping[str, Any], *, subresource: str = "") -> Manifest:
        """Merge a patch into an object and return what it has become."""
        return await self.json(requests.merge_patch(ref, patch, subresource=subresource))

    async def delete(self, ref: ObjectRef, *, uid: str = "", resource_version: str = "") -> bool:
        """Delete an object; say whether there was one. See `begin_deletion`."""
        return await self.begin_deletion(ref, uid=uid, resource_version=resource_version) is not None

    async def begin_deletion(
        self, ref: ObjectRef, *, uid: str = "", resource_version: str = "", policy: str = "Background"
    ) -> Manifest | None:
        """Delete an object. See `requests.delete` for the preconditions.

        Returns:
            `None` where there was none; the object itself while something holds it up; else a Status.

        Raises:
            ConflictError: A precondition does not hold.
        """
        request = requests.delete(ref, uid=uid, resource_version=resource_version, policy=policy)
        try:
            return await self.json(request)
        except NotFoundError:
            return None

    async def logs(self, namespace: str, pod: str, *, container: str = "", tail: int = 0) -> str:
        """Return the last `tail` lines of a container's log, 0 for all of it."""
        request = requests.logs(namespace, pod, container=container, tail=tail)
        return (await self.send(request)).decode(errors="replace")

    async def json(self, request: Request) -> Manifest:
        """Send a request and return the JSON object that it is answered with."""
        body = await self.send(request)
        try:
            answer: Manifest = orjson.loads(body)
        except ValueError as error:
            raise UnavailableError(
                f"{request.verb} {request.path}: the answer is not JSON",
                remedy=f"check what stands between here and the API server at {self.access.server}",
            ) from error
        return answer

    async def send(self, request: Request) -> bytes:
        """Send a request, again while the server asks for patience, and return the body of its success.

        Raises:
            InsulaError: What `answers` makes of a refusal; `UnavailableError` where nothing answered; `BusyError`
                where the server asks for more patience than we have here.
        """
        for attempt in range(1, MAX_ATTEMPTS + 1):
            status, headers, body = await self._attempt(request)
            if status < 400:  # noqa: PLR2004
                return body
            wait_s = answers.retry_after_s(status, headers)
            if wait_s is None or wait_s > PATIENCE_S or attempt == MAX_ATTEMPTS:
                break
            # Later than asked by up to a quarter, so that all who were sent away do not come back together.
            await asyncio.sleep(wait_s * random.uniform(1.0, 1.25))  # noqa: S311  # spreads load, keeps no secret
        raise answers.error_from(request, status, body, headers)

    @contextlib.asynccontextmanager
    async def stream(
        self, request: Request, *, opening_s: float = READ_TIMEOUT_S
    ) -> AsyncGenerator[AsyncIterator[bytes], None]:
        """Open a request whose answer goes on and yield its chunks as they come; leaving closes it.

        The answer begins within `opening_s`; after that, the caller bounds the silence between two chunks.
        """
        async with contextlib.AsyncExitStack() as stack:
            with self._answering(request, opening_s):
                async with asyncio.timeout(opening_s):
                    response = await stack.enter_async_context(self._exchange(request))
                    if response.status >= 400:  # noqa: PLR2004
                        raise answers.error_from(request, response.status, await response.read(), response.headers)
            yield response.content.iter_any()

    async def _attempt(self, request: Request) -> tuple[int, Mapping[str, str], bytes]:
        timeout_s = min(WRITE_TIMEOUT_S, self._may_write()) if request.writes else READ_TIMEOUT_S
        with self._answering(request, timeout_s):
            async with asyncio.timeout(timeout_s), self._exchange(request) as response:
                return response.status, response.headers, await response.read()

    @contextlib.contextmanager
    def _answering(self, request: Request, timeout_s: float) -> Iterator[None]:
        """Say of a timeout what it means."""
        try:
            yield
        except TimeoutError as error:
            raise UnavailableError(
                f"{request.verb} {request.path}: no answer within {timeout_s:.1f} s",
                remedy=f"check the API server at {self.access.server}",
            ) from error

    @contextlib.asynccontextmanager
    async def _exchange(self, request: Request) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        if self._session is None:
            raise RuntimeError("the client is used outside of `async with`")
        started, status = time.monotonic(), 0
        try:
            async with self._session.request(
                request.method,
                self.access.server + request.path,
                params=request.parameters,
                data=_FencedBody(request.body, self._may_write) if request.writes else None,
                headers=self._headers(request),
                server_hostname=self.access.server_name or None,
            ) as response:
                status = response.status
                yield response
        except aiohttp.ClientError as error:
            raise UnavailableError(
                f"{request.verb} {request.path}: {type(error).__name__}: {error}",
                remedy=f"check the API server at {self.access.server}",
            ) from error
        finally:
            self._meter(request.verb, request.resource, status, time.monotonic() - started)

    def _headers(self, request: Request) -> dict[str, str]:
        headers = {"Accept": "application/json", **request.headers}
        if request.content_type:
            headers["Content-Type"] = request.content_type
        if token := self.access.bearer():
            headers["Authorization"] = f"Bearer {token}"
        return headers
