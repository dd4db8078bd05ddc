"""How long those wait whose look failed: each longer every time, and all of them together at a bounded pace."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

# What a thousand homes that fail together may cost the API server. A look is up to thirty calls.
RETRIES_PER_S: Final = 20.0
RETRIES_AT_ONCE: Final = 100


@dataclass(frozen=True)
class Backoff:
    """Waits after failures in seconds: doubled from `first_s` up to `longest_s`, each shortened by up to a half."""

    first_s: float = 0.25
    longest_s: float = 300.0

    def wait_s(self, failures: int) -> float:
        """Return the wait after so many failures in a row, at least 1."""
        longest = min(self.first_s * 2.0 ** min(failures - 1, 32), self.longest_s)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311  # spreads load, keeps no secret


class TokenBucket:
    """Gives turns: some at once, then one after the other at a steady pace.

    Args:
        per_second: The pace.
        at_once: How many turns may be had together after a quiet time.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        per_second: float = RETRIES_PER_S,
        at_once: int = RETRIES_AT_ONCE,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval_s = 1 / per_second
        self._credit_s = at_once / per_second
        self._clock = clock
        self._next_at = clock() - self._credit_s

    def take(self) -> float:
        """Take the next turn; return in how many seconds it comes."""
        now = self._clock()
        self._next_at = max(self._next_at, now - self._credit_s) + self._interval_s
        return max(self._next_at - now, 0.0)
