"""Tiny recipes that write a file each, and note when they did what."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from insula.sandbox.builds.graph import Graph
from insula.sandbox.builds.recipes import Recipe, Results, fetch_nothing
from insula.sandbox.builds.store import Store
from insula.sandbox.builds.workshop import Workshop

Work = Callable[[], Awaitable[None]]

RESULT = "result"
POLL_S = 0.01


@dataclass
class QuietProgress:
    """Notes what it is told."""

    planned: dict[str, int] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    stopped: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def plan(self, weights_s: Mapping[str, int]) -> None:
        self.planned.update(weights_s)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.running.add(name)
        try:
            yield
        except BaseException:
            self.stopped.append(name)
            raise
        finally:
            self.running.discard(name)
        self.ended.append(name)


@dataclass
class Yard:
    """Where recipes are made up. `log` has what they did, in order: `fetch a`, `make a`."""

    log: list[str] = field(default_factory=list)

    def recipe(
        self, name: str, *needs: Recipe, work: Work | None = None, download: Work | None = None, weight_s: int = 1
    ) -> Recipe:
        """Return a recipe whose result is one file with the results of its needs and its own name."""

        async def fetch(_workshop: Workshop) -> None:
            if download is not None:
                self.log.append(f"fetch {name}")
                await download()

        async def make(_workshop: Workshop, results: Results, draft: Path) -> None:
            self.log.append(f"make {name}")
            if work is not None:
                await work()
            words = [(results[need.name] / RESULT).read_text() for need in needs]
            (draft / RESULT).write_text(" ".join([*words, name]))

        fetched = fetch_nothing if download is None else fetch
        return Recipe(name, ("input",), make, needs, fetch=fetched, weight_s=weight_s)

    def made(self, name: str) -> int:
        """Return how often the recipe was made."""
        return self.log.count(f"make {name}")


def a_graph(root: Path) -> Graph:
    return Graph(Store(root), QuietProgress())


async def forever() -> None:
    await asyncio.Event().wait()


async def until(condition: Callable[[], bool], *, limit_s: float = 20) -> None:
    """Wait for something that says no word when it comes."""
    for _ in range(int(limit_s / POLL_S)):
        if condition():
            return
        await asyncio.sleep(POLL_S)
    raise TimeoutError
