"""What is measured of the ways, in rounds: in each, every way in turn, so that what else runs spoils all alike."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from bench.common import machine
from bench.common.figures import Figure
from bench.doors import ways
from bench.doors.ways import GO, INSULA, LITELLM, STRAIGHT, Way, World

CLIENTS: Final = 64
STREAMS: Final = (1, 64, 200)
# LiteLLM is asked for no more streams than it can serve on one core.
LITELLM_STREAMS: Final = 64
CPU_RATIO: Final = 2.0
LITELLM_RATIO: Final = 10.0
ADDED_MEDIAN_MS, ADDED_P99_MS = 1.0, 5.0  # at 64 streams


@dataclass(frozen=True)
class Asked:
    """One way, asked for a while. `cpu_us`: its processor time a request; `used`: the share of a core it had."""

    requests: int
    errors: int
    per_s: float
    cpu_us: float
    used: float
    first_ms: Mapping[str, float]
    whole_ms: Mapping[str, float]
    lag_ms: Mapping[str, float]


@dataclass
class Round:
    """By way: unary requests, and streams by how many there were."""

    unary: dict[str, Asked] = field(default_factory=dict)
    streams: dict[str, dict[int, Asked]] = field(default_factory=dict)
    load: float = field(default_factory=machine.load)

    def to_json(self) -> dict[str, Any]:
        """Return the round as it is written."""
        return asdict(self)


async def measure(world: World, *, seconds: float, streams: Sequence[int] = STREAMS) -> Round:
    """Ask every way, for so many seconds each; streams begin in half of that, and go on to their end."""
    found = Round()
    for name, way in world.ways.items():
        found.unary[name] = await _ask(world, way, "unary", CLIENTS, seconds)
    for count in streams:
        for name, way in world.ways.items():
            if name != LITELLM or count <= LITELLM_STREAMS:
                asked = await _ask(world, way, "stream", count, seconds / 2, "-spread", "1")
                found.streams.setdefault(name, {})[count] = asked
    return found


async def _ask(world: World, way: Way, body: str, count: int, seconds: float, *words: str) -> Asked:
    before = ways.processor_s(way)
    report = await world.ask(way, body, "-count", str(count), "-seconds", str(seconds), *words)
    used_s = ways.processor_s(way) - before
    if report["requests"] == 0 or report["errors"] or set(report["statuses"]) != {"200"}:
        raise RuntimeError(f"{way.name} did not answer {count} {body} as it should: {report['statuses']}")
    return Asked(
        requests=report["requests"],
        errors=report["errors"],
        per_s=report["requests"] / report["seconds"],
        cpu_us=used_s / report["requests"] * 1e6,
        used=used_s / report["seconds"],
        first_ms=report["first_ms"],
        whole_ms=report["whole_ms"],
        lag_ms=report["lag_ms"],
    )


def figures(rounds: Sequence[Round]) -> Iterator[Figure]:
    """Yield the figures of some rounds."""
    names = list(rounds[0].unary)
    yield from _ratios(rounds, names)
    for name in names:
        if name != STRAIGHT:
            yield Figure(f"unary_us_{name}", [each.unary[name].cpu_us for each in rounds], "µs")
        yield Figure(
            f"unary_per_s_{name}", [each.unary[name].per_s for each in rounds], "/s", limited_by=_by(rounds, name)
        )
    for name in names:
        for count in rounds[0].streams.get(name, {}):
            if name == STRAIGHT:
                yield from _lags(rounds, count)
            else:
                yield from _added(rounds, name, count)


def _ratios(rounds: Sequence[Round], names: Sequence[str]) -> Iterator[Figure]:
    if GO in names and INSULA in names:
        of_go = statistics.median(each.unary[GO].cpu_us for each in rounds)
        yield Figure(
            "cpu_ratio_to_go",
            [each.unary[INSULA].cpu_us / each.unary[GO].cpu_us for each in rounds],
            "×",
            goal=CPU_RATIO,
            peer=of_go,
            peer_name="µs of Go's ReverseProxy, which knows nobody and writes nothing down",
            limited_by="Python: a bare proxy takes server_aiohttp_uvloop_unary_us; "
            "the rest is keys, turns, cache, accounts, log, metrics",
        )
        yield Figure(
            "stream_cpu_ratio_to_go",
            [each.streams[INSULA][CLIENTS].cpu_us / each.streams[GO][CLIENTS].cpu_us for each in rounds],
            "×",
        )
    if LITELLM in names and INSULA in names:
        yield Figure(
            "rps_per_core_ratio_to_litellm",
            [each.unary[LITELLM].cpu_us / each.unary[INSULA].cpu_us for each in rounds],
            "×",
            goal=LITELLM_RATIO,
            at_least=True,
            peer=statistics.median(1e6 / each.unary[LITELLM].cpu_us for each in rounds),
            peer_name="requests that LiteLLM answers in a second of a core",
            limited_by="requests in a second of processor time of the door alone",
        )


def _lags(rounds: Sequence[Round], count: int) -> Iterator[Figure]:
    """The floor: how late the pieces of streams come with nothing between."""
    for share in ("p50", "p99"):
        values = [each.streams[STRAIGHT][count].lag_ms[share] for each in rounds]
        yield Figure(f"straight_lag_{share}_ms_{_streams(count)}", values, "ms")


def _added(rounds: Sequence[Round], name: str, count: int) -> Iterator[Figure]:
    whose = "" if name == INSULA else f"{name}_"
    for share, word, goal in (("p50", "median", ADDED_MEDIAN_MS), ("p99", "p99", ADDED_P99_MS)):
        wanted = goal if name == INSULA and count == CLIENTS else None
        lags = _differences(rounds, name, count, "lag_ms", share)
        go = _differences(rounds, GO, count, "lag_ms", share) if not whose else []
        yield Figure(
            f"{whose}added_{word}_ms_{_streams(count)}",
            lags,
            "ms",
            goal=wanted,
            peer=statistics.median(go) if go else None,
            peer_name="Go's ReverseProxy" if go else "",
            limited_by=_share(rounds, name, count),
        )
        firsts = _differences(rounds, name, count, "first_ms", share)
        yield Figure(f"{whose}added_first_byte_{word}_ms_{_streams(count)}", firsts, "ms")
    yield Figure(f"stream_us_{name}_{_streams(count)}", [each.streams[name][count].cpu_us for each in rounds], "µs")


def _differences(rounds: Sequence[Round], name: str, count: int, what: str, share: str) -> list[float]:
    pairs = [(each.streams.get(name, {}).get(count), each.streams[STRAIGHT][count]) for each in rounds]
    return [getattr(ours, what)[share] - getattr(straight, what)[share] for ours, straight in pairs if ours is not None]


def _streams(count: int) -> str:
    return f"{count}_stream" if count == 1 else f"{count}_streams"


def _by(rounds: Sequence[Round], name: str) -> str:
    used = statistics.median(each.unary[name].used for each in rounds)
    return "the clients and the Ollama, on the other core" if name == STRAIGHT else f"it had {used:.0%} of its core"


def _share(rounds: Sequence[Round], name: str, count: int) -> str:
    used = statistics.median(each.streams[name][count].used for each in rounds)
    return f"it used {used:.0%} of its core; load before each round {[round(each.load, 1) for each in rounds]}"
