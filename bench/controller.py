"""The operator by the thousand homes: memory, calls, silence, pace, restart, blast radius, rollout and failover.

    python -m bench.controller --tenants 100,1000,5000,10000

It runs a real kube-apiserver and etcd on this machine and operators as processes of their own. No node and no
Kubernetes controller runs: hands that answer at once play them (see `bench.ladder.players`). Each part writes its
figures as soon as it has them. With `--state` a run that was cut off goes on with the homes that it had.
"""

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from bench.common import figures
from bench.common.figures import Figure
from bench.ladder import climbing, operators, pace, poison, returning, rollout, tenants
from bench.ladder import world as worlds
from bench.ladder.world import World

RESULTS: Final = Path(__file__).parent / "results" / "controller.json"
PARTS: Final = ("pace", "ladder", "restart", "poison", "rollout", "failover", "rest")
BROAD: Final = 1000  # homes beside which one is poisoned, and a leader is killed


@dataclass
class Plan:
    """What to measure and how long."""

    rungs: tuple[int, ...]
    parts: frozenset[str]
    out: Path
    per_s: float
    round_tenants: int
    rounds: int
    rest_s: float
    pairs: int
    touches: int
    times: int
    taken: list[Figure] = field(default_factory=list)

    def note(self, found: Iterable[Figure], **raw: Any) -> None:
        """Write figures at once."""
        new = list(found)
        self.taken += new
        figures.merge(self.out, new, **raw)

    @property
    def broad(self) -> int:
        """The rung on which homes are poisoned and leaders killed."""
        return next((rung for rung in self.rungs if rung >= BROAD), self.rungs[-1])


def main(
    *,
    tenants: Annotated[str, typer.Option(help="The rungs, rising.")] = "100,1000,5000,10000",
    only: Annotated[str, typer.Option(help=f"Parts, of: {', '.join(PARTS)}.")] = ",".join(PARTS),
    out: Annotated[Path, typer.Option(help="Where the figures go; those of other parts stay.")] = RESULTS,
    state: Annotated[Path | None, typer.Option(help="Keep the homes here, or go on with them.")] = None,
    per_s: Annotated[float, typer.Option(help="Tenants created a second, for the pace.")] = 20.0,
    round_tenants: Annotated[int, typer.Option(help="Tenants in one round of the pace.")] = 400,
    rounds: Annotated[int, typer.Option(help="Rounds of the pace.")] = 3,
    rest_s: Annotated[float, typer.Option(help="Seconds of rest.")] = 600.0,
    pairs: Annotated[int, typer.Option(help="Pairs without and with a poisoned home.")] = 5,
    touches: Annotated[int, typer.Option(help="Homes that drift in each half of a pair.")] = 600,
    times: Annotated[int, typer.Option(help="Restarts on each rung, and leaders killed.")] = 3,
) -> None:
    """Measure, write each figure as it is taken, and print all."""
    parts = frozenset(only.split(","))
    if not parts <= set(PARTS):
        raise typer.BadParameter(f"parts are {', '.join(PARTS)}")
    rungs = tuple(sorted(map(int, tenants.split(","))))
    plan = Plan(rungs, parts, out, per_s, round_tenants, rounds, rest_s, pairs, touches, times)
    asyncio.run(_measure(plan, state))
    figures.show(plan.taken)


async def _measure(plan: Plan, state: Path | None) -> None:
    if "pace" in plan.parts:
        with _directory(None) as directory:
            async with worlds.begun(directory) as world:
                await _pace(plan, world)
    if plan.parts - {"pace"}:
        with _directory(state) as directory:
            async with worlds.begun(directory) as world:
                await _climb(plan, world)


async def _pace(plan: Plan, world: World) -> None:
    paced = await pace.measure(world, count=plan.round_tenants, rounds=plan.rounds, per_s=plan.per_s, tell=_tell)
    plan.note(pace.figures(paced, per_s=plan.per_s))


async def _climb(plan: Plan, world: World) -> None:
    rungs: list[climbing.Rung] = []
    async with tenants.watched(world.client) as watcher:
        for count in plan.rungs:
            async with _leading(world) as operator:
                rung = await climbing.climb(world, operator, watcher, count, _tell)
                rungs.append(rung)
                _tell(f"{count} homes are ready: {rung.seconds:.0f} s, {rung.resident_mib[-1]:.0f} MiB")
                if "ladder" in plan.parts:
                    _note_ladder(plan, rungs)
                if "rest" in plan.parts and count == plan.rungs[-1]:
                    written = await climbing.rest(world, operator, plan.rest_s, _tell)
                    plan.note([climbing.rest_figure(written, plan.rest_s, count)])
                if "poison" in plan.parts and count == plan.broad:
                    await _poison(plan, world, operator, count)
                if "rollout" in plan.parts and count == plan.broad:
                    plan.note(rollout.figures(await rollout.measure(world, operator, watcher, _tell)))
            if "restart" in plan.parts:
                done = [await returning.restart(world, count, _tell) for _ in range(plan.times)]
                plan.note(returning.restart_figures(done, count))
            if "failover" in plan.parts and count == plan.broad:
                taken = await returning.failovers(world, plan.times, _tell)
                plan.note([returning.failover_figure(taken, count)])


def _note_ladder(plan: Plan, rungs: list[climbing.Rung]) -> None:
    found = list(climbing.rung_figures(rungs[-1]))
    if any(rung.made for rung in rungs):
        found.append(climbing.calls_figure(rungs))
    plan.note(found, rungs=[asdict(rung) for rung in rungs])


async def _poison(plan: Plan, world: World, operator: operators.Operator, count: int) -> None:
    found = await poison.measure(world, operator, count, pairs=plan.pairs, touches=plan.touches, tell=_tell)
    plan.note(poison.figures(found), poison=[asdict(pair) for pair in found.pairs])


@contextlib.asynccontextmanager
async def _leading(world: World) -> AsyncIterator[operators.Operator]:
    async with operators.running(world) as operator:
        await operators.until("the operator leads", operator.is_leading)
        yield operator


@contextlib.contextmanager
def _directory(kept: Path | None) -> Iterator[Path]:
    """Yield the directory to keep, or one that is removed afterwards."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    directory = Path(tempfile.mkdtemp(prefix="insula-bench-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def _tell(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    typer.run(main)
