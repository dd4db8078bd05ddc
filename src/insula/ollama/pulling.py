"""Bring a model from a registry into a store: resumed where it stopped, checked by digest, in bounded memory."""

import asyncio
import errno
from collections.abc import Callable
from typing import Final

from insula.domain.errors import RefusedError, UnavailableError
from insula.ollama.manifests import Blob
from insula.ollama.names import ModelName
from insula.ollama.registry import Registry
from insula.ollama.store import CHUNK_BYTES, Store, hash_file

# Attempts on one blob before the Job ends and Kubernetes' own back-off takes over; each one resumes.
ATTEMPTS: Final = 5
FIRST_WAIT_S: Final = 1.0

# Called with the bytes that are here and the bytes of the whole model.
Progress = Callable[[int, int], None]


async def pull_model(
    registry: Registry, name: ModelName, store: Store, progress: Progress, *, first_wait_s: float = FIRST_WAIT_S
) -> str:
    """Bring a model into the store; return its digest. Nothing is fetched that is there already.

    Args:
        registry: Where it comes from.
        name: The model.
        store: Where it goes.
        progress: Told of every piece that came.
        first_wait_s: The wait in seconds after the first failure; it doubles with each.

    Raises:
        NotFoundError: The registry does not have the model.
        RefusedError: The volume is too small, or the registry says no.
        UnavailableError: The registry did not answer, or what came was damaged, after some attempts.
    """
    manifest = await registry.read_manifest(name)
    store.require_room(manifest)
    missing = store.missing(manifest)
    done = manifest.size - sum(blob.size for blob in missing)
    progress(done, manifest.size)
    for blob in missing:

        def report(completed: int, before: int = done) -> None:
            progress(before + completed, manifest.size)

        await _fetch_with_patience(registry, name, blob, store, report, first_wait_s=first_wait_s)
        done += blob.size
    store.write_manifest(name, manifest)
    progress(manifest.size, manifest.size)
    return manifest.digest


async def _fetch_with_patience(
    registry: Registry, name: ModelName, blob: Blob, store: Store, report: Callable[[int], None], *, first_wait_s: float
) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            await _fetch(registry, name, blob, store, report)
        except UnavailableError:
            if attempt == ATTEMPTS:
                raise
            await asyncio.sleep(first_wait_s * 2 ** (attempt - 1))
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            raise RefusedError("the models' volume is full", remedy="raise spec.ollama.storageGiB") from error
        else:
            return


async def _fetch(registry: Registry, name: ModelName, blob: Blob, store: Store, report: Callable[[int], None]) -> None:
    partial = store.partial_path(blob.digest)
    partial.parent.mkdir(parents=True, exist_ok=True)
    offset = store.partial_size(blob.digest)
    if offset > blob.size:
        partial.unlink()
        offset = 0
    running = await asyncio.to_thread(hash_file, partial)
    if offset < blob.size or blob.size == 0:
        async with registry.read_blob(name, blob, offset) as answer:
            if offset and answer.status != 206:  # noqa: PLR2004  (the registry does not resume: from the start)
                offset, running = 0, await asyncio.to_thread(hash_file, partial.with_name("nothing"))
            with partial.open("ab" if offset else "wb") as file:
                async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                    file.write(chunk)
                    running.update(chunk)
                    offset += len(chunk)
                    report(offset)
                    if offset > blob.size:
                        break
    if offset != blob.size or f"sha256:{running.hexdigest()}" != blob.digest:
        if offset >= blob.size:  # whole but wrong: what is there is no use
            partial.unlink()
        raise UnavailableError(
            f"{name}: {blob.digest[:19]}… came damaged or cut short ({offset} of {blob.size} bytes)",
            remedy="it is tried again from there",
        )
    store.accept_blob(blob)
