"""A Python package index that pods of the sandbox can reach: the machine's own index, passed through.

Home Assistant installs what an integration needs at run time. A pod of the sandbox has no way to the outside, so a
small server on the nodes' bridge asks the machine's index in its place, with the machine's own settings and
certificates. It serves the JSON form of the simple repository API (PEP 691) and the files that the index named.
"""

import argparse
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urljoin, urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

from insula.domain.errors import NotFoundError
from insula.sandbox.layout import Layout

PORT: Final = 3141
LOCK: Final = Path(__file__).parents[3] / "uv.lock"
INDEX_VARIABLES: Final = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
JSON_TYPE: Final = "application/vnd.pypi.simple.v1+json"
PROJECT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
MAX_FILE_HOSTS: Final = 16  # an index names one or two; more would make this an open proxy
PASSED_HEADERS: Final = ("Content-Length", "Content-Type", "Content-Range", "ETag", "Accept-Ranges")
COPY_BYTES: Final = 1 << 16
CONNECT_TIMEOUT_S: Final = 20.0
SILENCE_S: Final = 60.0  # longest silence of the index, in seconds, before its answer counts as lost
MODULE: Final = "insula.sandbox.package_index"

_upstream = web.AppKey("upstream", str)
_session = web.AppKey("session", aiohttp.ClientSession)
# The hosts of files that the index has named: origin (scheme, credentials, host) by host.
_origins = web.AppKey("origins", dict[str, str])


def upstream_index(environment: Mapping[str, str] = os.environ) -> str:
    """Return the machine's index: what the usual variables name, else the one that Insula's own lock file names.

    Without a slash at its end.
    """
    named = next((environment[name] for name in INDEX_VARIABLES if environment.get(name)), "")
    return (named or locked_index(LOCK.read_text())).rstrip("/")


def locked_index(lock: str) -> str:
    """Return the index from which a uv.lock took its packages.

    Raises:
        NotFoundError: It names none.
    """
    sources = (package["source"] for package in tomllib.loads(lock)["package"])
    index = next((str(source["registry"]) for source in sources if "registry" in source), "")
    if not index:
        raise NotFoundError("uv.lock names no package index", remedy="set UV_DEFAULT_INDEX")
    return index


def url(layout: Layout) -> str:
    """Return the index's address as pods use it."""
    return f"http://{layout.bridge_address}:{PORT}/simple/"


def application(upstream: str) -> web.Application:
    """Return the server; its client session lives as long as it."""
    app = web.Application()
    app[_upstream] = upstream
    app[_origins] = {}
    app.cleanup_ctx.append(_client)
    app.router.add_get("/simple/{project}/", _project)
    app.router.add_get("/files/{host}/{path:.+}", _file)
    return app


async def _client(app: web.Application) -> Any:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=SILENCE_S)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
        app[_session] = session
        yield


async def _project(request: web.Request) -> web.Response:
    """Answer a project's page with its files pointing here."""
    project = request.match_info["project"]
    if not PROJECT.fullmatch(project):
        raise web.HTTPNotFound
    address = f"{request.app[_upstream]}/{project}/"
    try:
        async with request.app[_session].get(address, headers={"Accept": JSON_TYPE}) as answer:
            if answer.status != web.HTTPOk.status_code:
                return web.Response(status=answer.status)
            page = await answer.json(content_type=None)
            for file in page["files"]:
                file["url"] = _passed(request.app, urljoin(str(answer.url), file["url"]))
    except aiohttp.ClientError as error:
        raise web.HTTPBadGateway(text="the machine's index does not answer") from error
    except (ValueError, KeyError, TypeError) as error:
        raise web.HTTPBadGateway(text="the machine's index does not speak JSON (PEP 691)") from error
    return web.json_response(page, content_type=JSON_TYPE)


def _passed(app: web.Application, address: str) -> str:
    """Return a file's address on this server, and remember whom to ask for it."""
    parts = urlsplit(address)
    host = _without_credentials(parts)
    if parts.scheme in {"http", "https"} and len(app[_origins]) < MAX_FILE_HOSTS:
        own = urlsplit(app[_upstream])
        # The index's own credentials stay here and go to the index alone.
        is_index = (own.scheme, _without_credentials(own)) == (parts.scheme, host)
        app[_origins].setdefault(host, f"{parts.scheme}://{own.netloc if is_index else parts.netloc}")
    return f"/files/{host}{parts.path}" + (f"?{parts.query}" if parts.query else "")


def _without_credentials(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


async def _file(request: web.Request) -> web.StreamResponse:
    """Pass a file through, parts of it too."""
    origin = request.app[_origins].get(request.match_info["host"])
    if origin is None:
        raise web.HTTPNotFound(text="the index has not named this host")
    path = request.rel_url.raw_path_qs.split("/", maxsplit=3)[3]  # as it was sent: a name may hold an escaped sign
    headers = {name: request.headers[name] for name in ("Range", "If-None-Match") if name in request.headers}
    headers["Accept-Encoding"] = "identity"  # the lengths that are passed on are those of the bytes that are
    asked = request.app[_session].request(request.method, URL(f"{origin}/{path}", encoded=True), headers=headers)
    try:
        answer = await asked
    except aiohttp.ClientError as error:
        raise web.HTTPBadGateway(text="the machine's index does not answer") from error
    async with answer:
        passed = {name: answer.headers[name] for name in PASSED_HEADERS if name in answer.headers}
        response = web.StreamResponse(status=answer.status, headers=passed)
        await response.prepare(request)
        async for chunk in answer.content.iter_chunked(COPY_BYTES):
            await response.write(chunk)
        await response.write_eof()
        return response


def processes(layout: Layout) -> list[int]:
    """Return the ids of this sandbox's index servers, told by their command line."""
    wanted = [MODULE, "--listen", str(layout.bridge_address)]
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                words = (path / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if words[2:5] == wanted:
                found.append(int(path.name))
    return found


def start(layout: Layout) -> None:
    """Start the server in the background unless it runs; it ends with `down`."""
    if processes(layout):
        return
    layout.state.mkdir(parents=True, exist_ok=True)
    with (layout.state / "package-index.log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", MODULE, "--listen", str(layout.bridge_address)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog=MODULE, description="Pass the machine's Python package index to pods.")
    parser.add_argument("--listen", required=True, help="address on the nodes' bridge")
    arguments = parser.parse_args()
    web.run_app(application(upstream_index()), host=arguments.listen, port=PORT, print=None)


if __name__ == "__main__":
    main()
