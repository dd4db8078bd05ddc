"""Names of homes that want a look: each waits at most once and is looked at by one worker at a time.

Every structure holds at most one entry a key, so the number of tenants bounds them all.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from insula.operator.pacing import Backoff, TokenBucket

# A home whose last look failed is looked at again this soon after something about it changed. Not at once: its own
# failing look may be what changes it, and that must not become a hot loop.
RETRY_ON_CHANGE_S: Final = 0.5


DEFAULT_BACKOFF: Final = Backoff()


@dataclass
class _Failing:
    """How often in a row the looks at a key failed, and when the next one may be at the earliest."""

    times: int = 0
    not_before: float = 0.0


class KeyedQueue:
    """Hands out keys.

    A key added while a worker has it is handed out again once that worker is done: no change is missed.

    Args:
        backoff: How long a key waits after failures.
        retries: Paces all keys that failed together; a key's first look waits for no turn.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        backoff: Backoff = DEFAULT_BACKOFF,
        *,
        retries: TokenBucket | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backoff = backoff
        self._retries = retries or TokenBucket(clock=clock)
        self._clock = clock
        self._ready: dict[str, float] = {}  # key → since when it waits; in order
        self._active: set[str] = set()
        self._again: set[str] = set()  # added while active
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._failing: dict[str, _Failing] = {}
        self._arrived = asyncio.Event()
        self._closed = False
        self._moved_at = clock()

    def add(self, key: str) -> None:
        """Have a key looked at as soon as a worker is free; a moment later if the last look at it failed."""
        if key in self._active:
            self._again.add(key)
        elif key in self._failing:
            self.add_after(key, max(RETRY_ON_CHANGE_S, self._failing[key].not_before - self._clock()))
        else:
            self._enqueue(key)

    def add_after(self, key: str, seconds: float) -> None:
        """Have a key looked at after a while, unless something else brings it earlier."""
        timer = self._timers.get(key)
        loop = asyncio.get_running_loop()
        if self._closed or key in self._ready:
            return
        if timer is not None and timer.when() <= loop.time() + seconds:
            return
        self._cancel_timer(key)
        self._timers[key] = loop.call_later(seconds, self._due, key)

    async def get(self) -> str | None:
        """Return the key that has waited longest; it is the caller's until `done`. `None`: the queue is closed."""
        while not self._ready and not self._closed:
            self._arrived.clear()
            await self._arrived.wait()
        if self._closed:
            return None
        key = next(iter(self._ready))
        del self._ready[key]
        self._active.add(key)
        return key

    def done(self, key: str, *, look_again_s: float | None = None) -> None:
        """Give a key back after a look that succeeded."""
        self._failing.pop(key, None)
        if look_again_s is not None:
            self.add_after(key, look_again_s)
        self._give_back(key)

    def failed(self, key: str, *, at_least_s: float = 0.0, at_most_s: float = math.inf) -> float:
        """Give a key back after a look that failed; return in how many seconds, at most, it is tried again.

        Args:
            key: The key.
            at_least_s: Nothing brings it earlier: the API server asked for that.
            at_most_s: How long its own failures may make it wait; the pace of all retries comes on top.
        """
        failing = self._failing.setdefault(key, _Failing())
        failing.times += 1
        earliest_s = max(at_least_s, self._retries.take())
        failing.not_before = self._clock() + earliest_s
        wait_s = min(self._backoff.wait_s(failing.times), at_most_s)
        if key in self._again:  # the change may be the cure
            self._again.discard(key)
            wait_s = min(wait_s, RETRY_ON_CHANGE_S)
        wait_s = max(wait_s, earliest_s)
        self.add_after(key, wait_s)
        self._give_back(key)
        return wait_s

    @property
    def depth(self) -> int:
        """How many keys wait for a worker now."""
        return len(self._ready)

    @property
    def active(self) -> int:
        """How many keys workers have now."""
        return len(self._active)

    @property
    def delayed(self) -> int:
        """How many keys wait for their time."""
        return len(self._timers)

    @property
    def failing(self) -> int:
        """How many keys had a last look that failed."""
        return len(self._failing)

    def oldest_s(self) -> float:
        """Return for how many seconds the oldest waiting key has waited; 0 where none waits."""
        return self._clock() - next(iter(self._ready.values())) if self._ready else 0.0

    def stalled_s(self) -> float:
        """Return for how many seconds keys have waited while none was given back; 0 where none waits."""
        if not self._ready:
            return 0.0
        return min(self._clock() - self._moved_at, self.oldest_s())

    def close(self) -> None:
        """Hand out nothing more."""
        self._closed = True
        self._arrived.set()
        for key in list(self._timers):
            self._cancel_timer(key)

    def _give_back(self, key: str) -> None:
        self._active.discard(key)
        self._moved_at = self._clock()
        if key in self._again:
            self._again.discard(key)
            self._enqueue(key)

    def _due(self, key: str) -> None:
        del self._timers[key]
        if key in self._active:
            self._again.add(key)
        else:
            self._enqueue(key)

    def _enqueue(self, key: str) -> None:
        self._cancel_timer(key)
        if key not in self._ready:
            self._ready[key] = self._clock()
            self._arrived.set()

    def _cancel_timer(self, key: str) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
