"""Recipes: the key stands for all that a result depends on, and for nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fake_builds import Yard

from insula.sandbox.builds.recipes import Recipe, Results, closure, file_contents
from insula.sandbox.builds.workshop import Workshop


async def make_nothing(_workshop: Workshop, _needs: Results, _draft: Path) -> None:
    """Make nothing."""


async def fail(_workshop: Workshop, _needs: Results, _draft: Path) -> None:
    raise AssertionError


def a_recipe(name: str = "thing", inputs: tuple[str, ...] = ("ab", "c"), needs: tuple[Recipe, ...] = ()) -> Recipe:
    return Recipe(name, inputs, make_nothing, needs)


@pytest.mark.parametrize(
    "other",
    [
        a_recipe(name="another"),
        a_recipe(inputs=("ab", "d")),
        a_recipe(inputs=("ab",)),
        a_recipe(inputs=("c", "ab")),
        a_recipe(inputs=("a", "bc")),
        a_recipe(inputs=("abc", "")),
        a_recipe(needs=(a_recipe(name="need"),)),
    ],
    ids=["name", "an input", "fewer inputs", "their order", "where one ends", "an empty one", "a need"],
)
def test_key_changes_with(other: Recipe) -> None:
    assert other.key != a_recipe().key


def test_key_changes_when_an_input_of_a_need_of_a_need_does() -> None:
    def top(word: str) -> Recipe:
        return a_recipe("top", needs=(a_recipe("middle", needs=(a_recipe("bottom", inputs=(word,)),)),))

    assert top("1").key == top("1").key != top("2").key


def test_key_tells_a_need_from_an_input_that_spells_like_one() -> None:
    need = a_recipe("need")

    assert a_recipe(inputs=("1",), needs=(need,)).key != a_recipe(inputs=("1", "need", "ab", "c")).key


def test_key_stays_when_only_the_way_of_making_or_the_measured_time_differ() -> None:
    assert Recipe("thing", ("ab", "c"), fail, weight_s=99).key == a_recipe().key


def test_closure_has_needs_first_and_each_once() -> None:
    yard = Yard()
    bottom = yard.recipe("bottom")
    left, right = yard.recipe("left", bottom), yard.recipe("right", bottom)
    top = yard.recipe("top", left, right)

    assert [recipe.name for recipe in closure((top, left, bottom))] == ["bottom", "left", "right", "top"]


def test_two_recipes_that_were_written_alike_are_one() -> None:
    assert len(closure((a_recipe(), a_recipe()))) == 1


def content_changed(directory: Path) -> None:
    (directory / "sub/b").write_text("other")


def file_renamed(directory: Path) -> None:
    (directory / "sub/b").rename(directory / "sub/c")


def file_added(directory: Path) -> None:
    (directory / "new").touch()


def line_end_changed(directory: Path) -> None:
    (directory / "a").write_bytes(b"a\r\n")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a").write_text("a\n")
    (tmp_path / "sub/b").write_text("b")
    return tmp_path


def test_contents_of_a_directory_are_names_and_texts_sorted(directory: Path) -> None:
    assert file_contents(directory) == ("a", "a\n", "sub/b", "b")


@pytest.mark.parametrize("change", [content_changed, file_renamed, file_added, line_end_changed])
def test_contents_of_a_directory_change_with(change: Callable[[Path], None], directory: Path) -> None:
    before = file_contents(directory)
    change(directory)

    assert file_contents(directory) != before


def test_what_python_leaves_behind_is_no_content(directory: Path) -> None:
    before = file_contents(directory)
    (directory / "sub/__pycache__").mkdir()
    (directory / "sub/__pycache__/b.pyc").write_bytes(b"\x00\xff")

    assert file_contents(directory) == before


def test_one_directory_can_stay_out(directory: Path) -> None:
    assert file_contents(directory, without="sub") == ("a", "a\n")


def test_bytes_that_are_no_text_make_a_key_of_their_own(directory: Path) -> None:
    (directory / "a").write_bytes(b"\xff\x00")
    first = a_recipe(inputs=file_contents(directory)).key
    (directory / "a").write_bytes(b"\xfe\x00")

    assert a_recipe(inputs=file_contents(directory)).key != first
