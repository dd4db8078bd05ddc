"""Root file systems made of Debian packages, as one trimmed layer each."""

import asyncio
import copy
import os
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from insula.sandbox.builds.recipes import Recipe, Results
from insula.sandbox.builds.workshop import Workshop

SUITE: Final = "trixie"  # Debian 13: Python 3.13, and an nft that works beside kube-proxy's tables (12's crashes)
LAYER: Final = "layer.tar"

# Never needed in an image: texts for people, package lists, what the container runtime mounts anyway.
ALWAYS_LEFT_OUT: Final = (
    r"usr/share/(doc|man|info|locale|bash-completion|lintian|bug)/.",
    r"var/(cache|log|lib/apt)/.",
    r"(dev|proc|sys|run|tmp|boot)/.",
)


@dataclass(frozen=True)
class Rootfs:
    """A minimal Debian with some packages.

    Attributes:
        left_out: Regular expressions of paths (without leading slash) that the layer lacks.
    """

    name: str
    packages: tuple[str, ...]
    weight_s: int
    left_out: tuple[str, ...] = ()

    def recipe(self) -> Recipe:
        """Return the recipe; its result is `layer.tar`."""
        return Recipe(
            name=f"rootfs/{self.name}",
            inputs=(SUITE, *self.packages, *ALWAYS_LEFT_OUT, *self.left_out, "2"),
            make=self._make,
            weight_s=self.weight_s,
        )

    async def _make(self, workshop: Workshop, _needs: Results, draft: Path) -> None:
        whole = draft / "whole.tar"
        argv: list[str | Path] = ["mmdebstrap", "--mode=root", "--variant=minbase", "--components=main"]
        argv += ['--aptopt=APT::Install-Recommends "false"', '--aptopt=Acquire::Languages "none"']
        argv += [f"--include={','.join(self.packages)}", SUITE, whole]
        await workshop.run(argv)
        await asyncio.to_thread(trim, whole, draft / LAYER, (*ALWAYS_LEFT_OUT, *self.left_out))
        whole.unlink()


def trim(source: Path, target: Path, left_out: tuple[str, ...]) -> None:
    """Copy a tar without the paths that match, with owners by number and times of zero.

    A hard link whose first name is left out becomes a file of its own.
    """
    pattern = re.compile("|".join(f"(?:{expression})" for expression in left_out))
    with tarfile.open(source) as whole, tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as trimmed:
        for member in whole:
            info = copy.copy(member)  # Debian 12's Python 3.11.2 has no TarInfo.replace yet
            info.name, info.mtime, info.uname, info.gname = member.name.removeprefix("./"), 0, "", ""
            if not info.name or info.name == "." or pattern.match(info.name):
                continue
            info.pax_headers = {}
            content = whole.extractfile(member) if member.isreg() else None
            if member.islnk() and pattern.match(member.linkname.removeprefix("./")):
                content = whole.extractfile(member)
                info.type, info.linkname = tarfile.REGTYPE, ""
                if content is not None:
                    info.size = content.seek(0, os.SEEK_END)
                    content.seek(0)
            trimmed.addfile(info, content)
