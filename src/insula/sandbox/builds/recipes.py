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
            encoded = part.encode(errors="surrogateescape")
            digest.update(len(encoded).to_bytes(8, "big") + encoded)
        object.__setattr__(self, "key", digest.hexdigest()[:16])

    def __hash__(self) -> int:
        return hash(self.key)


def file_contents(directory: Path, *, without: str = "") -> tuple[str, ...]:
    """Return names and contents of all files of a directory, sorted: the inputs they stand for.

    Files that Python makes stay out, and what the directory holds by the name `without`.
    """
    files = sorted(path.relative_to(directory) for path in directory.rglob("*") if path.is_file())
    kept = (path for path in files if "__pycache__" not in path.parts and path.parts[0] != without)
    return tuple(part for path in kept for part in (str(path), file_content(directory / path)))


def file_content(path: Path) -> str:
    """Return a file's bytes as text, whatever they are: a program's input differs with each of them."""
    return path.read_bytes().decode(errors="surrogateescape")


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
