"""The Job that tries forbidden paths from a home's place in the network, all at once, and says what it saw."""

import http.client
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from insula.domain import probes
from insula.domain.errors import UsageError, cap
from insula.domain.probes import Expected, Position, Probe, Verdict

# A wall that drops answers by silence alone. Two lost packets fit into this time.
TRY_S: Final = 3.0
# Networks take a moment to learn of a new pod, its openings and its walls: what is not as it should be is tried again.
SETTLE_S: Final = 8.0
AGAIN_S: Final = 0.25
NAMED: Final = 3  # paths that are named in the message; all are counted
PATH_CHARACTERS: Final = 120


def read(position: str, allowed: Iterable[str], refused: Iterable[str]) -> tuple[Probe, ...]:
    """Return the probes that a Job was given as `NAME=TARGET`.

    Raises:
        UsageError: One is not of that form.
    """
    given = [(text, Expected.ALLOWED) for text in allowed] + [(text, Expected.REFUSED) for text in refused]
    found = []
    for text, expected in given:
        name, separator, target = text.partition("=")
        if not separator or target.partition(":")[0] not in _WAYS:
            raise UsageError(f"{cap(text)!r} is no probe", remedy="write it as NAME=tcp:HOST:PORT")
        found.append(Probe(name, Position(position), target, expected))
    return tuple(found)


def try_all(
    given: Sequence[Probe], *, reach: Callable[[str], str] | None = None, settle_s: float = SETTLE_S
) -> list[str]:
    """Try the paths that must be allowed, then all others at once; return what was seen, in the order given.

    Args:
        given: Allowed ones first, see `probes.in_order`.
        reach: Tries one target and returns the word for what it saw.
        settle_s: How long to try again what is not as it should be, in seconds.
    """
    attempt = partial(_insist, reach=reach or try_once, settle_s=settle_s)
    with ThreadPoolExecutor(max_workers=max(1, len(given))) as pool:
        seen: list[str] = []
        for expected in (Expected.ALLOWED, Expected.REFUSED):
            seen += pool.map(attempt, [probe for probe in given if probe.expected is expected])
        return seen


def message(given: Sequence[Probe], seen: Sequence[str]) -> dict[str, Any]:
    """Return what the Job says at its end: small enough for a termination message, however many were tried."""
    verdicts = {probe: probes.judge(probe, word) for probe, word in zip(given, seen, strict=True)}
    red = [probe for probe, verdict in verdicts.items() if verdict is Verdict.RED]
    opened, shut = (
        [cap(probe.path, PATH_CHARACTERS) for probe in red if probe.expected is expected]
        for expected in (Expected.REFUSED, Expected.ALLOWED)
    )
    return {
        "tried": len(given),
        "seen": list(seen),
        "open": opened[:NAMED],
        "opened": len(opened),
        "shut": shut[:NAMED],
    }


def try_once(target: str) -> str:
    """Try one target; return the word of `domain.probes` for what was seen, or an HTTP status."""
    way, _, where = target.partition(":")
    try:
        return _WAYS[way](where)
    except socket.gaierror:
        return probes.UNKNOWN_NAME
    except TimeoutError:
        return probes.TIMEOUT
    except ConnectionError:
        return probes.REJECTED
    except OSError:
        return probes.UNREACHABLE


def _insist(probe: Probe, *, reach: Callable[[str], str], settle_s: float) -> str:
    ends = time.monotonic() + settle_s
    while True:
        seen = reach(probe.target)
        if probes.judge(probe, seen) is Verdict.GREEN or time.monotonic() >= ends:
            return seen
        time.sleep(AGAIN_S)


def _connect(where: str) -> str:
    host, port = _split(where)
    with socket.create_connection((host, port), timeout=TRY_S):
        return probes.CONNECTED


def _ask(where: str) -> str:
    door, _, path = where.partition("/")
    host, port = _split(door)
    connection = http.client.HTTPConnection(host, port, timeout=TRY_S)
    try:
        connection.request("GET", f"/{path}")
        return str(connection.getresponse().status)
    except http.client.HTTPException:
        return probes.CONNECTED  # whoever answers so is no HTTP server, but was reached
    finally:
        connection.close()


def _resolve(host: str) -> str:
    socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return probes.RESOLVED


def _split(door: str) -> tuple[str, int]:
    host, _, port = door.rpartition(":")
    return host, int(port)


_WAYS: Final[dict[str, Callable[[str], str]]] = {"tcp": _connect, "http": _ask, "name": _resolve}
