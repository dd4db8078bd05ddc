"""The answers that are kept, each in the room of its own tenant: bounded in bytes and in time."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from insula.gateway.lru import Lru
from insula.gateway.replaying import Whole

CAPACITY_BYTES: Final = 32 * 1024 * 1024
# One tenant cannot push out all that others have.
TENANT_SHARE: Final = 4
# A batch of 64 embeddings; the longest of texts are far smaller.
ENTRY_BYTES: Final = 1024 * 1024
TTL_S: Final = 3600.0
# What an entry takes besides its body.
_OVERHEAD_BYTES: Final = 512


@dataclass(frozen=True)
class _Entry:
    whole: Whole
    at: float


def _size(entry: _Entry) -> int:
    return len(entry.whole.body) + _OVERHEAD_BYTES


class Answers:
    """Keeps answers by tenant and key. There is no way from one tenant to what another one's key holds.

    Args:
        clock: Seconds that never go back.
        capacity_bytes: How much is kept in all; 0 keeps nothing. A tenant may have a quarter of it.
        ttl_s: How long an answer is told again.
    """

    def __init__(
        self, clock: Callable[[], float], *, capacity_bytes: int = CAPACITY_BYTES, ttl_s: float = TTL_S
    ) -> None:
        self._clock = clock
        self._capacity = capacity_bytes
        self._ttl_s = ttl_s
        self._swept = clock()
        self._rooms: OrderedDict[str, Lru[str, _Entry]] = OrderedDict()  # the one not used for longest first

    @property
    def size_bytes(self) -> int:
        """How much is kept in all."""
        return sum(room.size for room in self._rooms.values())

    @property
    def count(self) -> int:
        """How many answers are kept."""
        return sum(len(room) for room in self._rooms.values())

    def of(self, tenant_id: str) -> tuple[int, int]:
        """Return how many answers a tenant has, and how many bytes they take."""
        room = self._rooms.get(tenant_id)
        return (len(room), room.size) if room is not None else (0, 0)

    def get(self, tenant_id: str, key: str) -> Whole | None:
        """Return a tenant's answer."""
        room = self._rooms.get(tenant_id)
        entry = room.get(key) if room is not None else None
        if room is None or entry is None:
            return None
        if self._clock() - entry.at >= self._ttl_s:
            room.drop(key)
            return None
        self._rooms.move_to_end(tenant_id)
        return entry.whole

    def put(self, tenant_id: str, key: str, whole: Whole) -> bool:
        """Keep a tenant's answer; say whether there is room for it."""
        self._sweep()
        entry = _Entry(whole, self._clock())
        if _size(entry) > min(ENTRY_BYTES, self._capacity // TENANT_SHARE):
            return False
        room = self._rooms.setdefault(tenant_id, Lru(self._capacity // TENANT_SHARE, size=_size))
        self._rooms.move_to_end(tenant_id)
        room.put(key, entry)
        excess = self.size_bytes - self._capacity
        while excess > 0:
            oldest = next(iter(self._rooms))
            excess -= _size(self._rooms[oldest].drop_oldest())
            self._forget_if_empty(oldest)
        return True

    def _sweep(self) -> None:
        """Forget what is too old, every now and then: nobody may ask for it again, and it is somebody's."""
        now = self._clock()
        if now - self._swept < self._ttl_s / 60:
            return
        self._swept = now
        for tenant_id, room in list(self._rooms.items()):
            for key in [key for key, entry in room.items() if now - entry.at >= self._ttl_s]:
                room.drop(key)
            self._forget_if_empty(tenant_id)

    def _forget_if_empty(self, tenant_id: str) -> None:
        if not len(self._rooms[tenant_id]):
            del self._rooms[tenant_id]
