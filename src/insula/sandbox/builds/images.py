"""Container images put together from results: a layer of programs, over a root file system where one is needed."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from insula.sandbox import archives
from insula.sandbox.builds.debian import LAYER
from insula.sandbox.builds.recipes import Recipe, Results
from insula.sandbox.builds.workshop import Workshop

REPOSITORY: Final = "localhost/insula"
ARCHIVE: Final = "image.tar"
NAMES: Final = "names.json"
FORMAT: Final = "1"  # raised when this module writes archives differently

# What an image's own layer holds, given the results of its needs.
Contents = Callable[[Results], list[archives.Entry]]


@dataclass(frozen=True)
class Image:
    """An image without a Containerfile.

    Attributes:
        names: `name:tag` of each name, without the repository.
        contents: The entries of its own layer; `describe` says in words what the function puts there, for the key.
    """

    names: tuple[str, ...]
    contents: Contents
    describe: str
    needs: tuple[Recipe, ...]
    rootfs: Recipe | None = None
    entrypoint: tuple[str, ...] = ()
    user: str = ""
    weight_s: int = 2

    def recipe(self) -> Recipe:
        """Return the recipe; its result is `image.tar` and `names.json`."""
        needs = (*self.needs, *((self.rootfs,) if self.rootfs else ()))
        inputs = (FORMAT, *self.names, self.describe, repr(self.entrypoint), self.user)
        name = f"image/{self.names[0].partition(':')[0]}"
        return Recipe(name=name, inputs=inputs, make=self._make, needs=needs, weight_s=self.weight_s)

    async def _make(self, _workshop: Workshop, needs: Results, draft: Path) -> None:
        await asyncio.to_thread(self._write, needs, draft)

    def _write(self, needs: Results, draft: Path) -> None:
        layers = [archives.read_layer(needs[self.rootfs.name] / LAYER)] if self.rootfs else []
        own = draft / LAYER
        layers.append(archives.write_layer(own, [archives.Directory("tmp", mode=0o1777), *self.contents(needs)]))
        names = [f"{REPOSITORY}/{name}" for name in self.names]
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        config = archives.ImageConfig(entrypoint=self.entrypoint, environment=environment, user=self.user)
        digest = archives.write_archive(draft / ARCHIVE, names, layers, config)
        own.unlink()
        write_names(draft, names, digest)


def write_names(result: Path, names: Sequence[str], digest: str) -> None:
    """Note which image names an archive holds and the digest of their manifest."""
    (result / NAMES).write_text(json.dumps({"names": list(names), "digest": digest}))


def described(result: Path) -> tuple[tuple[str, ...], str]:
    """Return the full names of the images in a result, and the digest they have in common."""
    content = json.loads((result / NAMES).read_text())
    return tuple(content["names"]), content["digest"]


def programs(build: str, *names: str, into: str = "usr/local/bin") -> Contents:
    """Put programs of a build into a directory: the first as a file, the others as links to it."""

    def entries(needs: Results) -> list[archives.Entry]:
        source = needs[build] / "bin"
        first, *others = names
        file = archives.File(f"{into}/{first}", source / first, mode=0o755)
        return [file, *(archives.Link(f"{into}/{other}", first) for other in others)]

    return entries
