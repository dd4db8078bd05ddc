"""A registry of models, spoken to by the Docker registry protocol: the public one, or any plain one."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
from yarl import URL

from insula.domain.errors import InsulaError, NotFoundError, RefusedError, UnavailableError, cap
from insula.ollama.manifests import MANIFEST_TYPE, Blob, ModelManifest, digest_of, parse_manifest
from insula.ollama.names import ModelName

# A manifest has some kilobytes; more is something else.
MANIFEST_LIMIT_BYTES: Final = 4 << 20
# Silence after which a connection counts as lost. No limit on the whole: a model may take hours.
SILENCE_S: Final = 60.0
CONNECT_S: Final = 20.0


@asynccontextmanager
async def open_registry(url: str) -> AsyncIterator["Registry"]:
    """Open the registry at `url` (`http://` or `https://`, user and password allowed in it)."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True, auto_decompress=False) as session:
        yield Registry(session, url)


class Registry:
    """One registry. Its methods raise UnavailableError when it does not answer and RefusedError when it says no."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        base = URL(url)
        self._session = session
        self._auth = aiohttp.BasicAuth(base.user, base.password or "") if base.user else None
        self._base = base.with_user(None)

    def _url(self, path: str) -> URL:
        return self._base / "v2" / path

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        url: URL,
        *,
        headers: dict[str, str] | None = None,
        data: "bytes | AsyncIterator[bytes] | None" = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        auth = self._auth if url.origin() == self._base.origin() else None
        try:
            async with self._session.request(method, url, headers=headers, data=data, auth=auth) as answer:
                if answer.status >= 400:  # noqa: PLR2004
                    raise await _refusal(answer)
                yield answer
        except (aiohttp.ClientError, TimeoutError) as error:
            if isinstance(error.__cause__, InsulaError):
                raise error.__cause__ from None  # what was to be sent failed, not the registry
            raise UnavailableError(f"the registry at {self._base} did not answer: {cap(str(error))}") from error

    async def read_manifest(self, name: ModelName) -> ModelManifest:
        """Return a model's manifest, its digest checked where the registry names one.

        Raises:
            NotFoundError: The registry does not have the model.
        """
        url = self._url(f"{name.repository}/manifests/{name.tag}")
        try:
            async with self._request("GET", url, headers={"Accept": MANIFEST_TYPE}) as answer:
                raw = await _read_bounded(answer, MANIFEST_LIMIT_BYTES)
                told = answer.headers.get("Docker-Content-Digest", "")
        except NotFoundError as error:
            raise NotFoundError(
                f"the registry at {self._base} does not have {name}",
                remedy="check the name, or add the model with insula model add",
            ) from error
        if told and told != digest_of(raw):
            raise UnavailableError(f"the manifest of {name} was damaged on its way")
        return parse_manifest(raw)

    @asynccontextmanager
    async def read_blob(self, name: ModelName, blob: Blob, offset: int) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open a blob for reading from `offset`; the answer's status is 206 if the registry began there, else 200."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        async with self._request("GET", self._url(f"{name.repository}/blobs/{blob.digest}"), headers=headers) as answer:
            yield answer

    async def has_blob(self, repository: str, digest: str) -> bool:
        """Say whether the registry has a blob."""
        try:
            async with self._request("HEAD", self._url(f"{repository}/blobs/{digest}")):
                return True
        except NotFoundError:
            return False

    async def write_blob(self, name: ModelName, blob: Blob, content: bytes | Path) -> None:
        """Upload a blob, from memory or from a file, unless the registry has it."""
        await self.write_to(name.repository, blob, content)

    async def write_to(self, repository: str, blob: Blob, content: bytes | Path) -> None:
        """Upload a blob to a repository, as `write_blob` does."""
        if await self.has_blob(repository, blob.digest):
            return
        location = await self._begin_upload(repository)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)}
        data = content if isinstance(content, bytes) else _read_file(content)
        async with self._request("PUT", location.update_query(digest=blob.digest), headers=headers, data=data):
            pass

    async def write_manifest(self, name: ModelName, manifest: ModelManifest) -> None:
        """Upload a manifest; its blobs must be there."""
        await self.write_document(name.repository, name.tag, manifest.raw, MANIFEST_TYPE)

    async def write_document(self, repository: str, reference: str, content: bytes, media_type: str) -> None:
        """Upload a manifest or an index under a tag or its digest; what it names must be there."""
        url = self._url(f"{repository}/manifests/{reference}")
        async with self._request("PUT", url, headers={"Content-Type": media_type}, data=content):
            pass

    async def read_document(self, repository: str, reference: str, media_type: str) -> tuple[bytes, str]:
        """Return a manifest or an index, and its digest.

        Raises:
            NotFoundError: The registry does not have it.
        """
        url = self._url(f"{repository}/manifests/{reference}")
        async with self._request("GET", url, headers={"Accept": media_type}) as answer:
            raw = await _read_bounded(answer, MANIFEST_LIMIT_BYTES)
        return raw, digest_of(raw)

    async def delete_document(self, repository: str, reference: str) -> None:
        """Remove a manifest or an index, or a tag of it; blobs go when the registry next collects its garbage."""
        async with self._request("DELETE", self._url(f"{repository}/manifests/{reference}")):
            pass

    async def write_stream(self, repository: str, content: AsyncIterator[bytes], size: int) -> str:
        """Upload a blob whose digest is not known before; return it."""
        running = hashlib.sha256()

        async def measured() -> AsyncIterator[bytes]:
            async for chunk in content:
                running.update(chunk)
                yield chunk

        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        location = await self._begin_upload(repository)
        async with self._request("PATCH", location, headers=headers, data=measured()) as answer:
            location = answer.url.join(URL(answer.headers["Location"], encoded=True))
        digest = f"sha256:{running.hexdigest()}"
        async with self._request("PUT", location.update_query(digest=digest), headers={"Content-Length": "0"}):
            pass
        return digest

    async def _begin_upload(self, repository: str) -> URL:
        async with self._request("POST", self._url(f"{repository}/blobs/uploads/")) as answer:
            return answer.url.join(URL(answer.headers["Location"], encoded=True))

    async def list_models(self) -> list[ModelName]:
        """Return every model of the registry, sorted. The public registry does not list: it answers with a refusal."""
        return await self._listed(lambda repository: repository.count("/") == 1)

    async def list_images(self, prefix: str) -> list[ModelName]:
        """Return every model that has an image below `prefix`, sorted."""
        return await self._listed(lambda repository: repository.startswith(f"{prefix}/"))

    async def _listed(self, is_wanted: Callable[[str], bool]) -> list[ModelName]:
        async with self._request("GET", self._url("_catalog").with_query(n=1000)) as answer:
            repositories = (await answer.json(content_type=None)).get("repositories") or []
        names: list[ModelName] = []
        for repository in filter(is_wanted, repositories):
            *_, namespace, name = repository.split("/")
            names += (ModelName(namespace, name, tag) for tag in await self.list_tags(repository))
        return sorted(names)

    async def list_tags(self, repository: str) -> list[str]:
        """Return the tags of a repository."""
        async with self._request("GET", self._url(f"{repository}/tags/list")) as answer:
            return list((await answer.json(content_type=None)).get("tags") or [])


async def _read_file(path: Path, chunk_bytes: int = 1 << 20) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, chunk_bytes):
            yield chunk


async def _read_bounded(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    parts = bytearray()
    async for chunk in answer.content.iter_any():
        parts += chunk
        if len(parts) > limit:
            raise RefusedError(f"{answer.url} answers with more than {limit} bytes", remedy="check the registry's URL")
    return bytes(parts)


async def _refusal(answer: aiohttp.ClientResponse) -> InsulaError:
    text = cap((await answer.content.read(1024)).decode("utf-8", "replace").strip())
    what = f"the registry answered {answer.status} to {answer.method} {answer.url.path}: {text}"
    if answer.status == 404:  # noqa: PLR2004
        return NotFoundError(what)
    if answer.status >= 500 or answer.status == 429:  # noqa: PLR2004
        return UnavailableError(what)
    if answer.status in {401, 403}:
        return RefusedError(what, remedy="put the registry's user and password into its URL")
    return RefusedError(what)
