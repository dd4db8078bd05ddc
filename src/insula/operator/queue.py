"""Names of homes that want a look: each waits at most once and is looked at by one worker at a time.

Every structure holds at most one entry a key, so the number of tenants bounds them all.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

# A home whose last look failed is looked at again this soon after something about it changed. Not at once: its own
# failing look may be what changes it, and that must not become a hot loop.
RETRY_ON_CHANGE_S: Final = 0.5


@dataclass(frozen=True)
class Backoff:
    """Waits after failures in seconds: doubled from `first_s` up to `longest_s`, each shortened by up to a half."""

    first_s: float = 0.25
    longest_s: float = 300.0

    def wait_s(self, failures: int) -> float:
        """Return the wait after so many failures in a row, at least 1."""
        longest = min(self.first_s * 2.0 ** min(failures - 1, 32), self.longest_s)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311  # spreads load, keeps no secret


DEFAULT_BACKOFF: Final = Backoff()


class KeyedQueue:
    """Hands out keys.

    A key added while a worker has it is handed out again once that worker is done: no change is missed.

    Args:
        backoff: How long a key waits after failures.
        clock: Seconds that only grow.
    """

    def __init__(self, backoff: Backoff = DEFAULT_BACKOFF, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._backoff = backoff
        self._clock = clock
        self._ready: dict[str, float] = {}  # key → since when it waits; in order
        self._active: set[str] = set()
        self._again: set[str] = set()  # added while active
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._failures: dict[str, int] = {}
        self._arrived = asyncio.Event()
        self._closed = False
        self._moved_at = clock()

    def add(self, key: str) -> None:
        """Have a key looked at as soon as a worker is free; a moment later if the last look at it failed."""
        if key in self._active:
            self._again.add(key)
        elif key in self._failures:
            self.add_after(key, RETRY_ON_CHANGE_S)
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
        self._failures.pop(key, None)
        if look_again_s is not None:
            self.add_after(key, look_again_s)
        self._give_back(key)

    def failed(self, key: str, *, at_most_s: float = math.inf) -> float:
        """Give a key back after a look that failed; return in how many seconds, at most, it is tried again."""
        self._failures[key] = self._failures.get(key, 0) + 1
        wait_s = min(self._backoff.wait_s(self._failures[key]), at_most_s)
        if key in self._again:  # the change may be the cure
            self._again.discard(key)
            wait_s = min(wait_s, RETRY_ON_CHANGE_S)
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
