"""What the gateway keeps: its memory with many homes, at rest and after an hour's requests; and what it remembers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from bench.common import metrics as metrics_of
from bench.common import processes
from bench.common.figures import Figure
from bench.doors.ways import INSULA, Way, World

RSS_MIB: Final = 80.0
HIT_MS: Final = 2.0
# Ten requests a second for an hour, as of some hundreds of homes.
HOUR_REQUESTS: Final = 36_000
SLICE_S: Final = 3.0
CLIENTS: Final = 64
# Every home once, no faster than so many a second: a connection to an Ollama is kept for seconds, and homes by the
# thousand do not all ask within them.
FIRST_PER_S: Final = 100.0


@dataclass
class Kept:
    """Resident MiB at rest and after each slice of the load, and how many requests there were by then."""

    homes: int
    rest_mib: float
    after_mib: list[float] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    open_files: list[int] = field(default_factory=list)

    def figures(self) -> Iterator[Figure]:
        """Yield the figures."""
        middle = self.after_mib[len(self.after_mib) // 2]
        why = f"{self.homes} homes known, after {self.requests[-1]} requests, of each at least once: 57 MiB are what is"
        why += " imported, 12 what the command line's types are checked with, 6 the homes, the rest what is remembered"
        why += " and open"
        yield Figure("worker_rss_mib", [self.after_mib[-1]], "MiB", goal=RSS_MIB, limited_by=why)
        yield Figure("worker_rest_mib", [self.rest_mib], "MiB", limited_by=f"{self.homes} homes known, none has asked")
        yield Figure("worker_growth_mib", [self.after_mib[-1] - middle], "MiB", limited_by="in the load's second half")


async def keep(world: World, *, homes: int, requests: int) -> Kept:
    """Ask for every home once, then for one group of homes after the other until there were so many requests."""
    way = world.ways[INSULA]
    kept = Kept(homes, processes.resident_mib(_pid(way)))
    once = min(homes, requests)
    words = ["-rotate", "-rate", str(FIRST_PER_S / CLIENTS), "-seconds", str(once / FIRST_PER_S)]
    done = 0
    while done < requests:
        report = await world.ask(way, "unary", "-count", str(CLIENTS), *words)
        done += report["requests"]
        kept.requests.append(done)
        kept.after_mib.append(processes.resident_mib(_pid(way)))
        kept.open_files.append(processes.open_files(_pid(way)))
        words = ["-first", str(len(kept.requests) * CLIENTS), "-seconds", str(SLICE_S)]
    return kept


async def hits(world: World, *, rounds: int, seconds: float) -> Figure:
    """Ask the same of one home again and again.

    Raises:
        RuntimeError: The answers did not come from memory.
    """
    way, values = world.ways[INSULA], []
    await world.ask(way, "certain", "-seconds", "0.1")
    for _ in range(rounds):
        before = await _hits(world)
        report = await world.ask(way, "certain", "-seconds", str(seconds))
        if await _hits(world) - before < report["requests"]:
            raise RuntimeError("not every answer came from memory")
        values.append(report["whole_ms"]["p50"])
    return Figure("cache_hit_p50_ms", values, "ms", goal=HIT_MS, limited_by="one client, one after the other")


async def _hits(world: World) -> float:
    return metrics_of.total(await metrics(world), "insula_gateway_cache_prompts_total", 'result="hit"')


async def metrics(world: World) -> str:
    """Return what the gateway's second port says."""
    async with aiohttp.ClientSession() as client, client.get(f"{world.admin}/metrics") as response:
        return await response.text()


def _pid(way: Way) -> int:
    if way.pid is None:
        raise RuntimeError(f"{way.name} is no process of ours")
    return way.pid
