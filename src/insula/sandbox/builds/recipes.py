"""A recipe: what is built, from which inputs, after which other recipes, by which function."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from insula.sandbox.builds.workshop import Workshop

# Results of the recipes that were asked for, by name: a directory each.
Results: TypeAlias = Mapping[str, Path]
Fetch: TypeAlias = Callable[["Workshop"], Awaitable[None]]
Make: TypeAlias = Callable[["Workshop", Results, Path], Awaitable[None]]


async def fetch_nothing(_workshop: "Workshop") -> None:
    """Fetch nothing: the recipe's inputs are all at hand."""


@dataclass(frozen=True)
class Recipe:
    """One build.

    `inputs` is everything that its result depends on beside its `needs`: versions, flags, file
    contents. Two recipes with one name and the same inputs give the same result, so the key of the
    inputs is the name of the result in the store.

    Attributes:
        fetch: Downloads ahead of time, so that the network and the processors work at once.
        make: Writes the result into the directory it is given. Runs at most once for a key.
        weight_s: Seconds of two cores that it took when measured; orders the work and the bar.
    """

    name: str
    inputs: tuple[str, ...]
    make: Make
    needs: tuple["Recipe", ...] = ()
    fetch: Fetch = fetch_nothing
    weight_s: int = 1
    key: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256()
        for part in (self.name, *self.inputs, *(need.key for need in self.needs)):
            encoded = part.encode()
            digest.update(len(encoded).to_bytes(8, "big") + encoded)
        object.__setattr__(self, "key", digest.hexdigest()[:16])

    def __hash__(self) -> int:
        return hash(self.key)


def file_contents(directory: Path) -> tuple[str, ...]:
    """Return names and contents of all files of a directory, sorted: the inputs they stand for."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return tuple(part for path in files for part in (str(path.relative_to(directory)), path.read_text()))


def closure(recipes: tuple[Recipe, ...]) -> tuple[Recipe, ...]:
    """Return the recipes and all that they need, each once, needs first."""
    ordered: dict[str, Recipe] = {}

    def visit(recipe: Recipe) -> None:
        if recipe.key not in ordered:
            for need in recipe.needs:
                visit(need)
            ordered[recipe.key] = recipe

    for recipe in recipes:
        visit(recipe)
    return tuple(ordered.values())
