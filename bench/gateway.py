"""The gateway beside others: what it costs, how late it makes an answer, what it keeps, and how fair its queue is.

    python -m bench.gateway

All ways lead to the same Ollama without a model, each door alone on one core, the clients and the Ollama on another:
straight; Go's ReverseProxy in its shortest form; our gateway with keys, queue, records and ledger; LiteLLM from the
Python index, with a key and no database. They are asked in rounds, each way in every round. The homes are known to the
gateway from an API server that lists and watches; no cluster is needed.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from bench.common import figures, machine
from bench.common.figures import Figure
from bench.doors import fairness, rounds, servers, standing, ways

RESULTS: Final = Path(__file__).parent / "results" / "gateway.json"
PARTS: Final = ("ways", "keep", "cache", "fairness", "servers")


def main(
    *,
    runs: Annotated[int, typer.Option(min=1, help="Rounds.")] = 5,
    seconds: Annotated[float, typer.Option(help="For how long each way is asked in a round.")] = 4.0,
    homes: Annotated[int, typer.Option(min=200, help="Homes that the gateway knows.")] = 5000,
    only: Annotated[str, typer.Option(help=f"Parts, of: {', '.join(PARTS)}.")] = ",".join(PARTS),
    quick: Annotated[bool, typer.Option(help="See whether it works: short, with few homes, without LiteLLM.")] = False,
    results: Annotated[Path, typer.Option(help="Where the figures go; those of other parts stay.")] = RESULTS,
) -> None:
    """Measure, write each figure as it is taken, and print all."""
    parts = frozenset(only.split(","))
    if not parts <= set(PARTS):
        raise typer.BadParameter(f"parts are {', '.join(PARTS)}")
    plan = Plan(parts, runs, seconds, homes, results)
    asyncio.run(plan.quick().measure() if quick else plan.measure())
    figures.show(plan.taken)


class Plan:
    """What to measure, how long, and what was found."""

    def __init__(self, parts: frozenset[str], runs: int, seconds: float, homes: int, out: Path) -> None:
        self.parts, self.runs, self.seconds, self.homes, self.out = parts, runs, seconds, homes, out
        self.names: tuple[str, ...] = ways.ALL
        self.streams: tuple[int, ...] = rounds.STREAMS
        self.requests, self.hours, self.pace = standing.HOUR_REQUESTS, 80.0, 20.0
        self.taken: list[Figure] = []

    def quick(self) -> "Plan":
        """Return the same, as short as can be."""
        self.runs, self.seconds, self.homes, self.requests, self.hours = 1, 0.2, 200, 100, 2.0
        self.names, self.streams, self.pace = (ways.GO, ways.INSULA), (1, 64), 400.0
        return self

    async def measure(self) -> None:
        """Measure all parts."""
        if self.parts & {"ways", "keep", "cache", "servers"}:
            directory = Path(tempfile.mkdtemp(prefix="insula-bench-"))
            try:
                await self._ask(directory)
            finally:
                shutil.rmtree(directory)
        if "fairness" in self.parts:
            self._note(fairness.measure(runs=self.runs, hours=self.hours))

    async def _ask(self, directory: Path) -> None:
        names = self.names if "ways" in self.parts else (ways.INSULA,)
        async with ways.open_all(directory, names, homes=self.homes, pace=self.pace) as world:
            # First, while its memory is as a gateway's that has just begun.
            if "keep" in self.parts:
                kept = await standing.keep(world, homes=self.homes, requests=self.requests)
                self._note(kept.figures(), kept=vars(kept))
            if "ways" in self.parts:
                found = []
                for _ in range(self.runs):
                    found.append(await rounds.measure(world, seconds=self.seconds, streams=self.streams))
                    _tell(f"round {len(found)} of {self.runs}, load {machine.load():.1f}")
                self._note(rounds.figures(found), rounds=[each.to_json() for each in found])
            if "cache" in self.parts:
                self._note([await standing.hits(world, rounds=self.runs, seconds=self.seconds / 2)])
            if "servers" in self.parts:
                self._note(await servers.measure(world, rounds=self.runs, seconds=self.seconds / 2))

    def _note(self, found: Iterable[Figure], **raw: Any) -> None:
        new = list(found)
        self.taken += new
        figures.merge(self.out, new, **raw)
        _tell(", ".join(figure.figure for figure in new))


def _tell(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    typer.run(main)
