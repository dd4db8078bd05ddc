"""The build cache: one directory a result, named by the recipe's name and key, complete or absent."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from insula.sandbox.builds.recipes import Recipe

CACHE_VARIABLE: Final = "INSULA_CACHE"
DEFAULT_CACHE: Final = Path("/var/cache/insula")


@dataclass(frozen=True)
class Store:
    """Results under `root`/results; tools' own caches and logs beside them."""

    root: Path

    @classmethod
    def default(cls) -> "Store":
        """Return the store that `INSULA_CACHE` names, else the machine's."""
        return cls(Path(os.environ.get(CACHE_VARIABLE, DEFAULT_CACHE)))

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
            if not target.is_dir():
                draft.rename(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def prune(self, keep: tuple[Recipe, ...]) -> list[Path]:
        """Remove results and half-made drafts that no recipe of `keep` names; return what was removed."""
        wanted = {self.path(recipe) for recipe in keep}
        results = self.root / "results"
        stale = [path for path in results.iterdir() if path not in wanted] if results.is_dir() else []
        for path in stale:
            shutil.rmtree(path, ignore_errors=True)
        return stale
