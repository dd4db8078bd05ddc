"""What each home's Lease says of its Ollama's sleep, and who waits for it to say something else."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from insula.domain.activity import Activity
from insula.domain.manifests import Manifest


@dataclass
class Activities:
    """The Leases `activity`; as a watch's feed it is told of them, and by the writer of what a write has made of one.

    A version never goes back: a watch that is late does not undo what a write has told.
    """

    _known: dict[str, Activity] = field(default_factory=dict)  # by namespace
    _waiting: dict[str, list[asyncio.Future[None]]] = field(default_factory=dict)

    def of(self, namespace: str) -> Activity | None:
        """Return what a home's Lease says; None: it has none, or none is known yet."""
        return self._known.get(namespace)

    def change(self, namespace: str) -> asyncio.Future[None]:
        """Return what is done as soon as anything is told about a home. Ask before you look."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(namespace, []).append(future)
        return future

    def tell(self, namespace: str) -> None:
        """Let those look again who wait for something about a home."""
        for future in self._waiting.pop(namespace, ()):
            if not future.done():
                future.set_result(None)

    def replace(self, manifests: Iterable[Manifest]) -> None:
        """Take the full list of Leases."""
        gone = set(self._known)
        for manifest in manifests:
            gone.discard(manifest["metadata"]["namespace"])
            self.put(manifest)
        for namespace in gone:
            del self._known[namespace]
            self.tell(namespace)

    def put(self, manifest: Manifest) -> None:
        """Take a Lease that was added, changed or written."""
        namespace, activity = manifest["metadata"]["namespace"], Activity.of(manifest)
        known = self._known.get(namespace)
        if known is not None and _number(activity.version) < _number(known.version):
            return
        self._known[namespace] = activity
        self.tell(namespace)

    def drop(self, manifest: Manifest) -> None:
        """Forget a Lease."""
        namespace = manifest["metadata"]["namespace"]
        self._known.pop(namespace, None)
        self.tell(namespace)


def _number(version: str) -> int:
    return int(version) if version.isdecimal() else 0
