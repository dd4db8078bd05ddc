"""Makes Tenants at a pace, and watches their conditions come true."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Final

from bench.ladder.world import PREFIX, tenant
from insula.domain.errors import ConflictError
from insula.domain.manifests import Manifest
from insula.kube import kinds, watching
from insula.kube.client import Client
from insula.kube.watching import Watch

TELL_EVERY_S: Final = 10.0
WINDOW: Final = 100
PATIENCE_S: Final = 300.0  # without one more home that is ready, something is broken


class Watcher:
    """Follows the conditions of the ladder's Tenants; as a watch's sink it counts their transitions."""

    def __init__(self) -> None:
        self._statuses: dict[str, dict[str, str]] = {}
        self._ready: set[str] = set()
        self.transitions = 0
        """How often a condition appeared or changed its status."""
        self.fewest_ready = 0
        """The least that `ready` has been since somebody set this."""
        self._changed = asyncio.Event()
        self.listed = asyncio.Event()
        self._told_at = time.monotonic()

    @property
    def ready(self) -> int:
        """How many homes are ready."""
        return len(self._ready)

    @property
    def names(self) -> Collection[str]:
        """The Tenants that there are."""
        return self._statuses.keys()

    @property
    def known(self) -> int:
        """How many Tenants there are."""
        return len(self._statuses)

    def begin(self, resource_version: str) -> None:
        """Each Tenant tells for itself."""

    def end(self) -> None:
        """Take note that all were told."""
        self.listed.set()

    def upsert(self, item: Manifest) -> None:
        """Take one Tenant."""
        name = item["metadata"]["name"]
        if not name.startswith(PREFIX):
            return
        before = self._statuses.setdefault(name, {})
        for condition in item.get("status", {}).get("conditions", []):
            if before.get(condition["type"]) != condition["status"]:
                before[condition["type"]] = condition["status"]
                self.transitions += 1
        (self._ready.add if before.get("Ready") == "True" else self._ready.discard)(name)
        self.fewest_ready = min(self.fewest_ready, self.ready)
        self._changed.set()

    def remove(self, item: Manifest) -> None:
        """Forget one Tenant."""
        self._statuses.pop(item["metadata"]["name"], None)
        self._ready.discard(item["metadata"]["name"])

    def advance(self, resource_version: str) -> None:
        """Nothing depends on it."""

    def disconnected(self, reason: str) -> None:
        """The watch goes on by itself."""

    async def until_ready(self, count: int, *, patience_s: float = PATIENCE_S, tell: Callable[[str], None]) -> None:
        """Return once so many homes are ready.

        Raises:
            TimeoutError: For `patience_s` none more became so.
        """
        best, moved_at = self.ready, time.monotonic()
        while (ready := self.ready) < count:
            now = time.monotonic()
            if ready > best:
                best, moved_at = ready, now
            if now - moved_at > patience_s:
                raise TimeoutError(
                    f"{ready} of {count} homes are ready, and for {patience_s:.0f} s none more became so"
                )
            if now - self._told_at > TELL_EVERY_S:
                self._told_at = now
                tell(f"{ready} of {count} homes are ready")
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), 1.0)


@contextlib.asynccontextmanager
async def watched(client: Client) -> AsyncIterator[Watcher]:
    """Follow all Tenants while the context lasts."""
    watcher = Watcher()
    task = asyncio.create_task(watching.follow(client, Watch(kinds.TENANT), watcher))
    try:
        await watcher.listed.wait()
        yield watcher
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def grow(client: Client, names: Sequence[str], watcher: Watcher, *, tell: Callable[[str], None]) -> None:
    """Create Tenants as fast as homes become ready: never more than `WINDOW` are on their way."""
    before = watcher.ready
    for number, name in enumerate(names):
        if number > WINDOW:
            await watcher.until_ready(before + number - WINDOW, patience_s=PATIENCE_S, tell=tell)
        await _create(client, name)


async def create(client: Client, names: Sequence[str], *, per_s: float) -> float:
    """Create Tenants at a pace whatever the answers take; return how many a second it came to.

    A Tenant that an earlier run made is left as it is.
    """
    begun_at = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for number, name in enumerate(names):
            await asyncio.sleep(max(0.0, begun_at + number / per_s - time.monotonic()))
            tasks.create_task(_create(client, name))
    return len(names) / max(time.monotonic() - begun_at, 1e-9)


async def _create(client: Client, name: str) -> None:
    with contextlib.suppress(ConflictError):
        await client.create(tenant(name))
