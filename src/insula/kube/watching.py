"""Follows one kind for ever: lists, watches with bookmarks, lists again on 410, reconnects when it falls silent."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final, Protocol

import orjson
import structlog

from insula.domain.errors import InsulaError, NotFoundError, UnavailableError
from insula.domain.manifests import Manifest
from insula.kube import answers, lines, requests
from insula.kube.answers import BusyError, ExpiredError
from insula.kube.client import READ_TIMEOUT_S, Client
from insula.kube.kinds import Kind

# The API server sends a bookmark about once a minute; two missed ones mean that the connection is dead.
SILENCE_S: Final = 150.0
# A server closes watches by itself after this time; spread so that they do not all come back at once.
WATCH_TIMEOUT_S: Final = (240, 360)
BACKOFF_S: Final = (0.2, 15.0)  # first and longest wait after a failure
# A resource version that the server does not know at all (restored from a backup) fails for ever: ask anew.
RELIST_AFTER: Final = 4

# A kind whose CRD is not installed is looked for again this often.
ABSENT_S: Final = 20.0

_log = structlog.get_logger(__name__)


class Sink(Protocol):
    """Takes what a watch sees."""

    def begin(self, resource_version: str) -> None:
        """Take note that `upsert` will tell the whole collection as it was at a resource version."""

    def end(self) -> None:
        """Take note that all of it was told: what was not is gone."""

    def upsert(self, item: Manifest) -> None:
        """Take one object that was added or changed."""

    def remove(self, item: Manifest) -> None:
        """Take one object that is gone."""

    def advance(self, resource_version: str) -> None:
        """Take note that all changes up to a resource version were seen."""

    def disconnected(self, reason: str) -> None:
        """Take note that the connection was lost: `expired`, `silent` or `failed`."""


@dataclass(frozen=True)
class Watch:
    """What to follow and how patiently.

    `transform` keeps the fields that are used: what is not kept costs no memory. Where the API server does not know
    an `optional` kind, there are none, and it is asked again now and then. Times are in seconds.
    """

    kind: Kind
    selector: str = ""
    fields: str = ""
    namespace: str = ""
    optional: bool = False
    transform: Callable[[Manifest], Manifest] = lambda manifest: manifest
    silence_s: float = SILENCE_S
    absent_s: float = ABSENT_S
    backoff_s: tuple[float, float] = BACKOFF_S


async def follow(client: Client, watch: Watch, sink: Sink) -> None:
    """Feed the sink until cancelled; no failure of the API server ends it."""
    since, failures = "", 0
    while True:
        reason, asked_s = "", 0.0
        failures += 1  # until it tells something: a watch that only ever ends must not become a hot loop
        try:
            since = since or await _list(client, watch, sink)
            async for seen in _changes(client, watch, sink, since):
                since, failures = seen, 0
        except ExpiredError:
            since, reason = "", "expired"
        except NotFoundError as error:
            since = ""
            if watch.optional:
                sink.begin("0")
                sink.end()
            else:
                _log.warning("watch_failed", kind=watch.kind.plural, error=str(error))
            await asyncio.sleep(watch.absent_s)
            continue
        except TimeoutError:
            reason = "silent"
        except InsulaError as error:
            reason = "failed"
            asked_s = error.retry_after_s if isinstance(error, BusyError) else 0.0
            _log.warning("watch_failed", kind=watch.kind.plural, error=str(error))
        if reason:
            sink.disconnected(reason)
        if failures >= RELIST_AFTER:
            since = ""
        await asyncio.sleep(max(_wait_s(watch, failures), asked_s))


def _wait_s(watch: Watch, failures: int) -> float:
    """Return how long to wait before connecting again: hardly, unless it keeps failing."""
    first, longest = watch.backoff_s
    return float(min(first * 2 ** max(failures - 1, 0), longest) * random.uniform(0.5, 1.0))  # noqa: S311


async def _list(client: Client, watch: Watch, sink: Sink) -> str:
    """Tell the sink the whole collection, page by page: all pages of ten thousand homes would not fit in memory."""
    since = ""
    pages = client.pages(watch.kind, namespace=watch.namespace, selector=watch.selector, fields=watch.fields)
    async for page in pages:
        if not since:
            since = page.resource_version
            sink.begin(since)
        for item in page.items:
            sink.upsert(watch.transform(item))
    sink.end()
    return since


async def _changes(client: Client, watch: Watch, sink: Sink, since: str) -> AsyncIterator[str]:
    """Apply the changes after `since` to the sink; yield the resource version after each of them."""
    request = requests.watch(
        watch.kind,
        since=since,
        timeout_s=random.randint(*WATCH_TIMEOUT_S),  # noqa: S311
        namespace=watch.namespace,
        selector=watch.selector,
        fields=watch.fields,
    )
    async with client.stream(request, opening_s=min(READ_TIMEOUT_S, watch.silence_s)) as chunks:
        async for line in lines.split(_bounded(chunks, watch.silence_s)):
            event = _decode(line)
            if event["type"] == "ERROR":
                raise answers.error_from_status(request, event["object"])
            yield _apply(event, watch, sink)


def _decode(line: bytes) -> Manifest:
    try:
        event: Manifest = orjson.loads(line)
    except ValueError as error:
        raise UnavailableError("a watch sent a line that is not JSON") from error
    return event


def _apply(event: Manifest, watch: Watch, sink: Sink) -> str:
    item: Manifest = event["object"]
    resource_version: str = item["metadata"]["resourceVersion"]
    if event["type"] in ("ADDED", "MODIFIED"):
        sink.upsert(watch.transform(item))
    elif event["type"] == "DELETED":
        sink.remove(watch.transform(item))
    sink.advance(resource_version)
    return resource_version


async def _bounded(chunks: AsyncIterator[bytes], silence_s: float) -> AsyncIterator[bytes]:
    """Yield the chunks; raise `TimeoutError` when none comes for `silence_s`."""
    while True:
        try:
            async with asyncio.timeout(silence_s):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        yield chunk
