"""A Python package index in memory, and Insula's own index server before it."""

import base64
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from insula.sandbox.package_index import JSON_TYPE, application

WHEEL = bytes(range(256)) * 600


@dataclass
class FakeIndex:
    """Projects by name: the addresses of their files. `broken`: what it says instead of JSON."""

    projects: dict[str, list[str]] = field(default_factory=dict)
    broken: str | None = None
    asked: list[web.Request] = field(default_factory=list)

    async def project(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        name = request.match_info["name"]
        if self.broken is not None:
            return web.Response(text=self.broken, content_type="text/html")
        if name not in self.projects:
            raise web.HTTPNotFound
        files = [
            {"filename": address.rpartition("/")[2], "url": address, "hashes": {"sha256": "abc"}}
            for address in self.projects[name]
        ]
        return web.json_response({"name": name, "files": files}, content_type=JSON_TYPE)

    async def file(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        if request.path.endswith("gone.whl"):
            raise web.HTTPNotFound
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=gzip.compress(WHEEL), headers={"Content-Encoding": "gzip"})
        part = request.http_range
        response = web.Response(body=WHEEL[part], headers={"ETag": '"1"', "Set-Cookie": "secret"})
        if part.start is not None:
            response.set_status(206)
            response.headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{len(WHEEL)}"
        return response

    @property
    def credentials(self) -> list[str]:
        """Name and password that came with each request, in order."""
        headers = (request.headers.get("Authorization", "") for request in self.asked)
        return [base64.b64decode(header.removeprefix("Basic ")).decode() for header in headers]


@dataclass
class Served:
    """`client` asks Insula's server; `origin` is the fake index behind it."""

    index: FakeIndex
    client: TestClient[web.Request, web.Application]
    origin: str


@asynccontextmanager
async def a_served_index(*, credentials: str = "") -> AsyncIterator[Served]:
    index = FakeIndex()
    app = web.Application()
    app.router.add_get("/simple/{name}/", index.project)
    app.router.add_get("/packages/{path:.+}", index.file)
    async with TestServer(app) as upstream:
        place = f"{upstream.host}:{upstream.port}"
        server = TestServer(application(f"http://{credentials}{place}/simple"))
        async with TestClient(server) as client:
            yield Served(index, client, f"http://{place}")
