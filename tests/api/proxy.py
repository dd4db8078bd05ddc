"""A way to the API server on which things go wrong as a test says; it keeps a journal of all that came along."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from yarl import URL

from insula.kube.config import Access

_TENANT = re.compile(r"/(?:namespaces/insula-|tenants/)(?P<name>[a-z0-9-]+)")
_PASSED_ON = ("Content-Type", "Accept")


@dataclass
class Call:
    """One request. `status` is the API server's answer, 0 where it was not asked or never answered."""

    method: str
    path: str
    query: Mapping[str, str]
    status: int = 0

    @property
    def is_watch(self) -> bool:
        return "watch" in self.query

    @property
    def is_of_lease(self) -> bool:
        return "/leases" in self.path

    @property
    def writes(self) -> bool:
        """Whether it changes something, the Lease left aside."""
        return self.method != "GET" and not self.is_of_lease

    @property
    def tenant(self) -> str:
        """The tenant whose object it is about; empty: nobody's."""
        found = _TENANT.search(self.path)
        return found["name"] if found and found["name"] != "system" else ""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Fate:
    """What becomes of a call.

    Attributes:
        late_s: It is held back for so many seconds before anything else.
        answer: The proxy answers with this status itself; 0: it does not.
        headers: What the proxy's own answer carries.
        is_sent: The API server gets it, though its answer may not come back.
        is_lost: The connection breaks instead of an answer.
        is_silent: No answer ever comes.
    """

    late_s: float = 0.0
    answer: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    is_sent: bool = True
    is_lost: bool = False
    is_silent: bool = False


Script = Callable[[Call], Fate]

PASS = Fate()
CONFLICT = Fate(answer=409)
EXPIRED = Fate(answer=410)
BUSY = Fate(answer=429, headers={"Retry-After": "1"})
BROKEN = Fate(answer=500)
AWAY = Fate(answer=503)
LOST = Fate(is_sent=False, is_lost=True)
DONE_BUT_LOST = Fate(is_lost=True)
SILENT = Fate(is_sent=False, is_silent=True)
DONE_BUT_SILENT = Fate(is_silent=True)


def all_passes(_call: Call) -> Fate:
    return PASS


class Proxy:
    """Listens on loopback without TLS and passes calls on as the identity that it was given."""

    def __init__(self, behind: Access) -> None:
        self.script: Script = all_passes
        self.calls: list[Call] = []
        self.flowing = asyncio.Event()  # cleared: open watches stay open and tell nothing
        self.flowing.set()
        self._behind = behind
        self._watches: set[asyncio.Transport] = set()

    @property
    def writes(self) -> list[str]:
        """What was asked to be written so far, the Lease left aside, as "METHOD path"."""
        return [str(call) for call in self.calls if call.writes]

    def drop_watches(self) -> None:
        """Break every open watch."""
        for transport in self._watches:
            transport.abort()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Access]:
        """Serve; yield how to reach the API server through here."""
        application = web.Application(client_max_size=4 * 2**20)
        application.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            connector = aiohttp.TCPConnector(ssl=self._behind.ssl_context(), limit=0)
            timeout = aiohttp.ClientTimeout(total=None)
            async with aiohttp.ClientSession(connector=connector, timeout=timeout) as self._session:
                yield Access(server=f"http://127.0.0.1:{runner.addresses[0][1]}")
                self.drop_watches()
        finally:
            await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        call = Call(request.method, request.path, request.query)
        self.calls.append(call)
        fate = self.script(call)
        await asyncio.sleep(fate.late_s)
        if fate.answer:
            status = {"kind": "Status", "code": fate.answer, "message": "as the test says"}
            return web.json_response(status, status=fate.answer, headers=fate.headers)
        if fate.is_sent:
            try:
                answer = await self._forward(request, call, is_told=not (fate.is_lost or fate.is_silent))
            except aiohttp.ClientError:
                return _broken(request)
        if fate.is_silent:
            await asyncio.Event().wait()  # until the caller gives up
        return _broken(request) if fate.is_lost else answer

    async def _forward(self, request: web.Request, call: Call, *, is_told: bool) -> web.StreamResponse:
        url = URL(self._behind.server + request.raw_path, encoded=True)
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        body = await request.read()
        async with self._session.request(request.method, url, data=body or None, headers=headers) as answer:
            call.status = answer.status
            told = {name: answer.headers[name] for name in ("Content-Type", "Retry-After") if name in answer.headers}
            if not call.is_watch or not is_told:
                return web.Response(status=answer.status, body=await answer.read(), headers=told)
            return await self._stream(request, answer, told)

    async def _stream(
        self, request: web.Request, answer: aiohttp.ClientResponse, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(request)
        assert request.transport is not None
        transport = request.transport
        self._watches.add(transport)
        try:
            async for chunk in answer.content.iter_any():
                await self.flowing.wait()
                await response.write(chunk)
        finally:
            self._watches.discard(transport)
        return response


def _broken(request: web.Request) -> web.StreamResponse:
    """Break the connection instead of answering."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
