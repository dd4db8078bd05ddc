"""Running recipes in the order of their needs: downloads first and overlapped, builds two at a time."""

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from insula.sandbox.builds.recipes import Recipe, Results, closure
from insula.sandbox.builds.store import Store
from insula.sandbox.builds.workshop import Workshop
from insula.sandbox.progress import Progress

DOWNLOADS_AT_ONCE: Final = 4
# Compilers use all cores by themselves; a second build fills the gaps that linking and unpacking leave.
BUILDS_AT_ONCE: Final = 2
LOCK_POLL_S: Final = 0.5


@dataclass
class Graph:
    """Runs over recipes, on one store.

    Attributes:
        seconds: How long each build took that this graph ran.
    """

    store: Store
    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)
    _downloads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(DOWNLOADS_AT_ONCE))
    _builds: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(BUILDS_AT_ONCE))

    async def run(self, recipes: tuple[Recipe, ...]) -> Results:
        """Build what is missing; return the result's directory of each recipe by name.

        Raises:
            ExceptionGroup: Holding the `BuildError` of the recipe that failed; the others are stopped.
        """
        ordered = closure(recipes)
        missing = [recipe for recipe in ordered if not self.store.has(recipe)]
        made = {recipe.key: asyncio.Event() for recipe in missing}
        if missing:
            self.progress.plan({recipe.name: recipe.weight_s for recipe in missing})
            async with asyncio.TaskGroup() as group:
                for recipe in sorted(missing, key=lambda recipe: -recipe.weight_s):
                    group.create_task(self._complete(recipe, made))
        return self.results(ordered)

    def results(self, recipes: tuple[Recipe, ...]) -> Results:
        """Return the directories of the recipes' results by name."""
        return {recipe.name: self.store.path(recipe) for recipe in recipes}

    async def _complete(self, recipe: Recipe, made: Mapping[str, asyncio.Event]) -> None:
        """Make one result, once those that it needs and that were missing are `made`, too."""
        workshop = Workshop(self.store.root, recipe.name)
        async with self._downloads:
            await recipe.fetch(workshop)
        for need in recipe.needs:
            if need.key in made:
                await made[need.key].wait()
        # The lock comes first: who waits for another process's build must not hold a place for one of ours.
        async with _locked(self.store.root / "locks" / recipe.key):
            if not self.store.has(recipe):  # another process may have made it meanwhile
                async with self._builds:
                    await self._make(recipe, workshop)
        made[recipe.key].set()

    async def _make(self, recipe: Recipe, workshop: Workshop) -> None:
        started = time.monotonic()
        with self.progress.step(recipe.name), self.store.draft(recipe) as draft:
            await recipe.make(workshop, self.results(recipe.needs), draft)
        self.seconds[recipe.name] = time.monotonic() - started


@asynccontextmanager
async def _locked(path: Path) -> AsyncIterator[None]:
    """Hold a lock that other processes respect and that the kernel frees when this one dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(LOCK_POLL_S)
        yield
    finally:
        os.close(descriptor)
