"""Addresses that come with false keys again and again: they are told to slow down, and fill no log.

A true key is never among them: it is known by its signature before anything is counted, from whatever address it comes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from insula.gateway.errors import TooManyFailuresError, UnauthorizedError
from insula.gateway.lru import Lru

# A home whose key has just been retired asks some ten times a minute, and is to be told so each time.
BURST: Final = 30
EVERY_S: Final = 2.0
ADDRESSES_KEPT: Final = 4096


@dataclass
class _Failures:
    """How many failures an address has left at a time."""

    left: float
    at: float


class FailedKeys:
    """Counts failures by address: `BURST` at once, then one every `EVERY_S`.

    Args:
        clock: Seconds that never go back.
        kept: How many addresses are remembered; the one that failed longest ago goes first.
    """

    def __init__(self, clock: Callable[[], float], *, kept: int = ADDRESSES_KEPT) -> None:
        self._clock = clock
        self._addresses: Lru[str, _Failures] = Lru(kept)

    def note(self, address: str, error: UnauthorizedError) -> UnauthorizedError | TooManyFailuresError:
        """Count a failure; return what its caller is told: that the key is false, or to slow down."""
        now = self._clock()
        failures = self._addresses.get(address)
        if failures is None:
            failures = _Failures(float(BURST), now)
            self._addresses.put(address, failures)
        failures.left = min(float(BURST), failures.left + (now - failures.at) / EVERY_S)
        failures.at = now
        if failures.left >= 1:
            failures.left -= 1
            return error
        wait_s = math.ceil((1 - failures.left) * EVERY_S)
        return TooManyFailuresError(
            f"too many false keys came from this address; a true one is welcome: {error.message}",
            retry_after_s=max(1, wait_s),
            tenant=error.tenant,
        )
