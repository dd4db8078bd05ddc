"""Takes homes from the queue and looks at them; what fails for one home is that home's affair alone."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog

from insula.domain.errors import ConflictError, InsulaError, UnavailableError
from insula.kube.answers import BusyError
from insula.kube.leases import LeaseLostError
from insula.operator.queue import KeyedQueue

LOOK_TIMEOUT_S: Final = 120.0  # a look takes about a second at most; longer means that something hangs
# What passes by itself, such as an API server that is away, is not waited for longer than this: when it is back, all
# homes shall be looked at soon. What only a person can mend is waited for up to the queue's longest wait.
PASSING_S: Final = 20.0

_log = structlog.get_logger(__name__)

Reconcile = Callable[[str], Awaitable[float | None]]


class Tally(Protocol):
    """Counts looks: `result` is `ok`, `conflict`, `unavailable`, `refused`, `timeout` or `bug`."""

    def __call__(self, result: str, seconds: float, /) -> None:
        """Count one look."""


async def work(queue: KeyedQueue, reconcile: Reconcile, tally: Tally, *, timeout_s: float = LOOK_TIMEOUT_S) -> None:
    """Look at one home after the other until the queue is closed.

    Raises:
        LeaseLostError: Somebody else leads: nothing more may be written.
    """
    while (key := await queue.get()) is not None:
        started = time.monotonic()
        result = await _look(queue, key, reconcile, timeout_s)
        tally(result, time.monotonic() - started)


async def _look(queue: KeyedQueue, key: str, reconcile: Reconcile, timeout_s: float) -> str:
    try:
        async with asyncio.timeout(timeout_s):
            look_again_s = await reconcile(key)
    except LeaseLostError:
        raise
    except InsulaError as error:
        wait_s = queue.failed(key, at_least_s=_asked_s(error), at_most_s=PASSING_S if _passes(error) else math.inf)
        _log.warning("look_failed", tenant=key, error=str(error), again_s=round(wait_s, 2))
        return _result(error)
    except TimeoutError:
        wait_s = queue.failed(key)
        _log.error("look_hung", tenant=key, after_s=timeout_s, again_s=round(wait_s, 2))
        return "timeout"
    except Exception:
        wait_s = queue.failed(key)
        _log.exception("look_broke", tenant=key, again_s=round(wait_s, 2))
        return "bug"
    queue.done(key, look_again_s=look_again_s)
    return "ok"


def _asked_s(error: InsulaError) -> float:
    """Return for how many seconds the API server asked to be left alone."""
    return error.retry_after_s if isinstance(error, BusyError) else 0.0


def _passes(error: InsulaError) -> bool:
    return isinstance(error, ConflictError | UnavailableError)


def _result(error: InsulaError) -> str:
    if isinstance(error, ConflictError):
        return "conflict"
    return "unavailable" if isinstance(error, UnavailableError) else "refused"
