"""The build cache: one directory a result, named by the recipe's name and key, complete or absent."""

import contextlib
import math
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from insula.sandbox.builds.recipes import Recipe
from insula.sandbox.layout import Layout

STALE_S: Final = 3600.0


@dataclass(frozen=True)
class Store:
    """Results under `root`/results; tools' own caches and logs beside them."""

    root: Path

    @classmethod
    def default(cls) -> "Store":
        """Return the store that `INSULA_CACHE` names, else the machine's."""
        return cls(Layout.default().cache)

    def path(self, recipe: Recipe) -> Path:
        """Return where the recipe's result is, or will be."""
        return self.root / "results" / f"{recipe.name.replace('/', '-')}-{recipe.key}"

    def has(self, recipe: Recipe) -> bool:
        """Say whether the result is complete."""
        return self.path(recipe).is_dir()

    @contextlib.contextmanager
    def draft(self, recipe: Recipe) -> Iterator[Path]:
        """Give a directory to build in; when the block ends well it becomes the result, else it goes.

        The rename at the end is what makes a result complete or absent, whenever the process is killed.
        """
        target = self.path(recipe)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        draft.chmod(0o755)
        try:
            yield draft
            try:
                draft.rename(target)
            except OSError:
                if not target.is_dir():  # else another maker was first, and its result is as good
                    raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def prune(self, keep: tuple[Recipe, ...], *, older_than_s: float = STALE_S) -> list[Path]:
        """Remove results and half-made drafts that no recipe of `keep` names; return what was removed.

        What is younger than `older_than_s` seconds stays: another checkout or a running build may be its owner.
        """
        wanted = {self.path(recipe) for recipe in keep}
        results = self.root / "results"
        oldest = time.time() - older_than_s
        found = results.iterdir() if results.is_dir() else iter(())
        stale = [path for path in found if path not in wanted and _changed(path) < oldest]
        for path in stale:
            # The name goes first: it must never stand for a half of a result.
            going = Path(tempfile.mkdtemp(prefix=".gone-", dir=results))
            with contextlib.suppress(FileNotFoundError):  # another process was first
                path.replace(going)
            shutil.rmtree(going, ignore_errors=True)
        return stale


def _changed(path: Path) -> float:
    """Return when a path last changed, in seconds of the clock; the far future when it is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return math.inf
