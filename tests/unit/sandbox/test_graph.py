"""A run over recipes: needs first, each made once, and the first failure ends it."""

import asyncio
from pathlib import Path

import pytest
from fake_builds import RESULT, QuietProgress, Yard, a_graph, forever, until

from insula.sandbox.builds.graph import BUILDS_AT_ONCE, DOWNLOADS_AT_ONCE, Graph
from insula.sandbox.builds.recipes import Recipe, Results
from insula.sandbox.builds.store import Store
from insula.sandbox.builds.workshop import BuildError, Workshop

LIMIT_S = 20  # of a test that would hang if it failed


class Crowd:
    """Work that several recipes do; knows how many did it at once at most."""

    def __init__(self, size: int) -> None:
        self.most = 0
        self._now = 0
        self._size = size
        self._complete = asyncio.Event()

    async def join(self) -> None:
        """Wait until the crowd is complete."""
        self._now += 1
        self.most = max(self.most, self._now)
        if self._now == self._size:
            self._complete.set()
        await self._complete.wait()
        await asyncio.sleep(0)
        self._now -= 1


def a_failing_recipe(script: str, *needs: Recipe) -> Recipe:
    """Return a recipe that runs a shell script which is meant to fail."""

    async def make(workshop: Workshop, _needs: Results, _draft: Path) -> None:
        await workshop.run(["sh", "-c", script])

    return Recipe("failing", (script,), make, needs)


async def test_needs_are_made_first_and_given_to_who_needs_them(tmp_path: Path) -> None:
    yard = Yard()
    bottom = yard.recipe("bottom")
    left, right = yard.recipe("left", bottom), yard.recipe("right", bottom)
    top = yard.recipe("top", left, right, weight_s=100)

    results = await a_graph(tmp_path).run((top,))

    assert (results["top"] / RESULT).read_text() == "bottom left bottom right top"
    assert yard.log[0] == "make bottom"
    assert sorted(yard.log) == ["make bottom", "make left", "make right", "make top"]


async def test_results_that_exist_are_not_built_again(tmp_path: Path) -> None:
    yard = Yard()
    recipe = yard.recipe("top", yard.recipe("bottom"))
    await a_graph(tmp_path).run((recipe,))
    again = a_graph(tmp_path)

    results = await again.run((recipe,))

    assert yard.log == ["make bottom", "make top"]
    assert set(results) == {"bottom", "top"}
    assert again.seconds == {}
    assert again.progress == QuietProgress()  # nothing was planned


async def test_only_the_missing_part_is_planned_fetched_and_built(tmp_path: Path) -> None:
    yard = Yard()
    bottom = yard.recipe("bottom", download=lambda: asyncio.sleep(0))
    await a_graph(tmp_path).run((bottom,))
    yard.log.clear()
    graph = a_graph(tmp_path)

    await graph.run((yard.recipe("top", bottom, weight_s=7),))

    assert yard.log == ["make top"]
    assert graph.seconds.keys() == {"top"}
    assert isinstance(graph.progress, QuietProgress)
    assert graph.progress.planned == {"top": 7}
    assert graph.progress.ended == ["top"]


async def test_two_graphs_on_one_store_make_each_recipe_once(tmp_path: Path) -> None:
    yard = Yard()
    recipe = yard.recipe("top", yard.recipe("bottom", work=lambda: asyncio.sleep(0.05)))
    first, second = a_graph(tmp_path), a_graph(tmp_path)

    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
        runs = [group.create_task(graph.run((recipe,))) for graph in (first, second)]

    assert yard.made("bottom") == yard.made("top") == 1
    assert runs[0].result() == runs[1].result()
    assert (runs[0].result()["top"] / RESULT).read_text() == "bottom top"


async def test_one_graph_may_run_twice_at_once(tmp_path: Path) -> None:
    yard = Yard()
    bottom = yard.recipe("bottom", work=lambda: asyncio.sleep(0.05))
    graph = a_graph(tmp_path)

    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
        group.create_task(graph.run((yard.recipe("left", bottom),)))
        group.create_task(graph.run((yard.recipe("right"),)))

    assert sorted(yard.log) == ["make bottom", "make left", "make right"]


async def test_waiting_for_another_process_leaves_the_places_to_builds_that_can_begin(tmp_path: Path) -> None:
    yard = Yard()
    gate = asyncio.Event()

    async def wait() -> None:
        await gate.wait()

    async def open_gate() -> None:
        gate.set()

    theirs = [yard.recipe(f"theirs {number}", work=wait, weight_s=9) for number in range(BUILDS_AT_ONCE)]
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
        group.create_task(a_graph(tmp_path).run(tuple(theirs)))
        await until(lambda: len(yard.log) == BUILDS_AT_ONCE)
        # The gate opens only if ours is made while both of the others are still being made elsewhere.
        group.create_task(a_graph(tmp_path).run((*theirs, yard.recipe("ours", work=open_gate))))

    assert len(yard.log) == BUILDS_AT_ONCE + 1


async def test_failing_recipe_stops_the_others_and_its_error_reaches_the_caller(tmp_path: Path) -> None:
    yard = Yard()
    failing = a_failing_recipe("echo 'cannot find the header'; exit 3")
    graph, others = a_graph(tmp_path), (yard.recipe("slow", work=forever), yard.recipe("later", failing))

    async with asyncio.timeout(LIMIT_S):
        with pytest.raises(ExceptionGroup) as caught:
            await graph.run((*others, failing))

    (error,) = caught.value.exceptions
    assert isinstance(error, BuildError)
    assert "ended with code 3" in str(error)
    assert "cannot find the header" in str(error)
    assert str(tmp_path / "logs" / "failing.log") in str(error)
    assert yard.log == ["make slow"]
    assert isinstance(graph.progress, QuietProgress)
    assert set(graph.progress.stopped) == {"failing", "slow"}
    assert list((tmp_path / "results").iterdir()) == []


async def test_what_failed_is_built_in_the_next_run_and_what_was_made_is_kept(tmp_path: Path) -> None:
    yard, attempts = Yard(), [1, 2]

    async def fail_once() -> None:
        if attempts.pop(0) == 1:
            raise BuildError("the network is away")

    top = yard.recipe("top", yard.recipe("bottom"), work=fail_once)
    with pytest.raises(ExceptionGroup):
        await a_graph(tmp_path).run((top,))

    await a_graph(tmp_path).run((top,))

    assert yard.log == ["make bottom", "make top", "make top"]


async def test_failing_download_is_told_too(tmp_path: Path) -> None:
    async def fail() -> None:
        raise BuildError("the sum differs")

    with pytest.raises(ExceptionGroup) as caught:
        await a_graph(tmp_path).run((Yard().recipe("thing", download=fail),))

    assert caught.group_contains(BuildError, match="the sum differs")


async def test_downloads_overlap_and_are_bounded(tmp_path: Path) -> None:
    yard, crowd = Yard(), Crowd(DOWNLOADS_AT_ONCE)
    recipes = tuple(yard.recipe(str(number), download=crowd.join) for number in range(2 * DOWNLOADS_AT_ONCE))

    async with asyncio.timeout(LIMIT_S):
        await a_graph(tmp_path).run(recipes)

    assert crowd.most == DOWNLOADS_AT_ONCE


async def test_builds_overlap_and_are_bounded(tmp_path: Path) -> None:
    yard, crowd = Yard(), Crowd(BUILDS_AT_ONCE)
    recipes = tuple(yard.recipe(str(number), work=crowd.join) for number in range(3 * BUILDS_AT_ONCE))

    async with asyncio.timeout(LIMIT_S):
        await a_graph(tmp_path).run(recipes)

    assert crowd.most == BUILDS_AT_ONCE


async def test_download_of_what_must_wait_goes_on_meanwhile(tmp_path: Path) -> None:
    yard, fetched = Yard(), asyncio.Event()

    async def fetch() -> None:
        fetched.set()

    async def wait_for_it() -> None:
        await fetched.wait()

    bottom = yard.recipe("bottom", work=wait_for_it)
    async with asyncio.timeout(LIMIT_S):
        await a_graph(tmp_path).run((yard.recipe("top", bottom, download=fetch),))

    assert yard.log[-1] == "make top"


async def test_the_longest_builds_begin_first(tmp_path: Path) -> None:
    yard = Yard()

    await a_graph(tmp_path).run(tuple(yard.recipe(str(weight), weight_s=weight) for weight in (1, 300, 20)))

    assert yard.log == ["make 300", "make 20", "make 1"]


async def test_results_say_where_results_will_be_before_they_are(tmp_path: Path) -> None:
    recipe = Yard().recipe("thing")

    assert Graph(Store(tmp_path), QuietProgress()).results((recipe,)) == {"thing": Store(tmp_path).path(recipe)}
