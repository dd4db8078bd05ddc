"""The build cache: a result is there whole or not at all."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from fake_builds import RESULT, Yard

from insula.sandbox.builds.recipes import Recipe
from insula.sandbox.builds.store import Store

RECIPE = Yard().recipe("go/thing")

# Begins a draft of RECIPE in the store of its first argument, says so, and never ends.
DRAFTS_FOREVER = """
import pathlib, sys, time
sys.path[:0] = sys.argv[2:]
from test_store import RECIPE
from insula.sandbox.builds.store import Store
with Store(pathlib.Path(sys.argv[1])).draft(RECIPE) as draft:
    (draft / "half").write_text("half")
    print("drafting", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def killed_maker(store: Store) -> None:
    """A process was killed in the middle of making RECIPE."""
    argv = [sys.executable, "-c", DRAFTS_FOREVER, str(store.root), *sys.path]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None
        assert maker.stdout.readline() == "drafting\n"
        maker.send_signal(signal.SIGKILL)


def kept(store: Store, recipe: Recipe = RECIPE, text: str = "whole") -> Path:
    with store.draft(recipe) as draft:
        (draft / RESULT).write_text(text)
    return store.path(recipe)


def test_draft_that_ends_well_becomes_the_result(store: Store) -> None:
    assert not store.has(RECIPE)

    path = kept(store)

    assert store.has(RECIPE)
    assert (path / RESULT).read_text() == "whole"
    assert path == store.root / "results" / f"go-thing-{RECIPE.key}"


def test_draft_is_no_result_before_its_end(store: Store) -> None:
    with store.draft(RECIPE):
        assert not store.has(RECIPE)


def test_result_can_be_read_by_other_users(store: Store) -> None:
    assert kept(store).stat().st_mode & 0o777 == 0o755


def test_draft_that_fails_leaves_nothing(store: Store) -> None:
    def fail(draft: Path) -> None:
        (draft / "sub").mkdir()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), store.draft(RECIPE) as draft:
        fail(draft)

    assert not store.has(RECIPE)
    assert list((store.root / "results").iterdir()) == []


@pytest.mark.usefixtures("killed_maker")
def test_draft_of_a_killed_maker_is_not_taken_for_a_result(store: Store) -> None:
    assert not store.has(RECIPE)
    assert not (kept(store) / "half").exists()


@pytest.mark.usefixtures("killed_maker")
def test_draft_of_a_killed_maker_goes_once_it_is_old(store: Store) -> None:
    assert store.prune((RECIPE,)) == []
    assert len(store.prune((RECIPE,), older_than_s=-1)) == 1
    assert list((store.root / "results").iterdir()) == []


def test_of_two_makers_at_once_the_first_wins_and_the_second_does_not_fail(store: Store) -> None:
    with ExitStack() as slow:
        draft = slow.enter_context(store.draft(RECIPE))
        (draft / RESULT).write_text("late")
        kept(store, text="early")

    assert (store.path(RECIPE) / RESULT).read_text() == "early"
    assert [path.name for path in (store.root / "results").iterdir()] == [store.path(RECIPE).name]


def test_failure_to_keep_a_result_is_told_unless_another_maker_kept_it(store: Store) -> None:
    with pytest.raises(FileNotFoundError), store.draft(RECIPE) as draft:
        shutil.rmtree(draft)


def test_pruning_removes_what_no_recipe_names_and_keeps_the_rest(store: Store) -> None:
    old = Yard().recipe("old")
    kept(store), kept(store, old)

    assert store.prune((RECIPE,), older_than_s=-1) == [store.path(old)]
    assert store.has(RECIPE)
    assert not store.has(old)


def test_pruning_spares_what_is_young(store: Store) -> None:
    young, aged = Yard().recipe("young"), Yard().recipe("aged")
    kept(store, young)
    os.utime(kept(store, aged), (0, 0))

    assert store.prune(()) == [store.path(aged)]
    assert store.has(young)


def test_pruning_an_empty_cache_is_nothing_to_do(store: Store) -> None:
    assert store.prune(()) == []


def test_what_a_killed_pruning_left_behind_is_no_obstacle_to_the_next(store: Store) -> None:
    kept(store).rename(store.root / "results" / ".gone-half")
    kept(store)

    assert len(store.prune((), older_than_s=-1)) == 2
    assert list((store.root / "results").iterdir()) == []
