"""A registry in memory, with the faults that networks have."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

from insula.ollama.manifests import digest_of


@dataclass
class PlainRegistry:
    """`cut_at`: the next blob ends after so many bytes. `damage`: the next blob has a wrong byte."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    cut_at: int | None = None
    damage: bool = False
    resumes: bool = True
    status: int | None = None
    sends_blobs_elsewhere: bool = False
    types: dict[str, str] = field(default_factory=dict)
    uploaded: bytes = b""
    asked: list[str] = field(default_factory=list)
    url: str = ""
    elsewhere: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asked.append(f"{request.method} {request.path} {request.headers.get('Range', '')}".strip())
        if self.status:
            return web.Response(status=self.status, text="no")
        if request.path == "/v2/_catalog":
            return web.json_response({"repositories": sorted({name.partition(":")[0] for name in self.manifests})})
        if match := re.fullmatch(r"/v2/(.+)/tags/list", request.path):
            own = [name.partition(":")[2] for name in self.manifests if name.startswith(f"{match[1]}:")]
            tags = [name for name in own if not name.startswith("sha256:")]
            return web.json_response({"tags": tags})
        if match := re.fullmatch(r"/v2/(.+)/manifests/(.+)", request.path):
            return self._manifest(request, f"{match[1]}:{match[2]}", body)
        if match := re.fullmatch(r"/v2/(.+)/blobs/uploads/(.*)", request.path):
            return self._upload(request, body)
        return await self._blob(request, request.path.rpartition("/")[2])

    def _manifest(self, request: web.Request, name: str, body: bytes) -> web.Response:
        if request.method == "PUT":
            self.manifests[name] = body
            self.types[name] = request.content_type
            return web.Response(status=201)
        if request.method == "DELETE":
            return self._remove(name)
        if name not in self.manifests:
            return web.Response(status=404)
        raw = self.manifests[name]
        return web.Response(body=raw, headers={"Docker-Content-Digest": digest_of(raw)})

    def _upload(self, request: web.Request, body: bytes) -> web.Response:
        if request.method == "POST":
            return web.Response(status=202, headers={"Location": f"{request.path}one?_state=abc%3D%3D"})
        if request.method == "PATCH":
            self.uploaded = body
            return web.Response(status=202, headers={"Location": f"{request.path}?_state=abc%3D%3D"})
        body, self.uploaded = body or self.uploaded, b""
        if digest_of(body) != request.query["digest"] or request.query["_state"] != "abc==":
            return web.Response(status=400)
        self.blobs[digest_of(body)] = body
        return web.Response(status=201)

    def _remove(self, name: str) -> web.Response:
        repository, _, reference = name.partition(":")
        gone = [
            each
            for each, raw in self.manifests.items()
            if each == name or (each.startswith(f"{repository}:") and digest_of(raw) == reference)
        ]
        for each in gone:
            del self.manifests[each]
        return web.Response(status=202 if gone else 404)

    async def _blob(self, request: web.Request, digest: str) -> web.StreamResponse:
        if digest not in self.blobs:
            return web.Response(status=404)
        here = str(request.url.origin())
        if self.sends_blobs_elsewhere and request.method == "GET" and here != self.elsewhere:
            raise web.HTTPTemporaryRedirect(f"{self.elsewhere}{request.path}")
        content, status = self.blobs[digest], 200
        if self.resumes and (match := re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))):
            content, status = content[int(match[1]) :], 206
        if self.damage:
            content, self.damage = b"?" + content[1:], False
        answer = web.StreamResponse(status=status, headers={"Content-Length": str(len(content))})
        await answer.prepare(request)
        if self.cut_at is not None and request.method == "GET":
            await answer.write(content[: self.cut_at])
            self.cut_at = None
            assert request.transport is not None
            request.transport.close()
            return answer
        await answer.write(content if request.method == "GET" else b"")
        return answer


@asynccontextmanager
async def a_plain_registry() -> AsyncIterator[PlainRegistry]:
    registry = PlainRegistry()
    application = web.Application(client_max_size=1 << 24)
    application.router.add_route("*", "/{path:.*}", registry.answer)
    async with TestServer(application) as server:
        registry.url = f"http://127.0.0.1:{server.port}"
        registry.elsewhere = f"http://localhost:{server.port}"
        yield registry
