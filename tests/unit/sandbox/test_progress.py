"""Progress: a plain line a step where nobody watches, with a count of what was planned."""

import io
import re

import pytest
from rich.console import Console
from rich.progress import Progress as RichProgress

from insula.sandbox.progress import BarProgress, PlainProgress, reporting


def lines(stream: io.StringIO) -> list[str]:
    """Return what was said, without the times."""
    return [re.sub(r"\d+\.\d s", "T", line).strip() for line in stream.getvalue().splitlines()]


def fail() -> None:
    raise ZeroDivisionError


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def bars(stream: io.StringIO) -> BarProgress:
    return BarProgress(RichProgress(console=Console(file=stream, width=80), disable=True))


def test_plan_says_how_much_will_follow(stream: io.StringIO) -> None:
    PlainProgress(stream).plan({"a": 90, "b": 45})

    assert lines(stream) == ["T  2 things to build, about 3 minutes on two cores"]


def test_each_planned_step_is_counted_when_it_ends(stream: io.StringIO) -> None:
    progress = PlainProgress(stream)
    progress.plan({"a": 1, "b": 1})
    for name in ("b", "a"):
        with progress.step(name):
            assert name not in progress.stages

    assert lines(stream)[1:] == ["T  [1/2] b: T", "T  [2/2] a: T"]
    assert progress.stages.keys() == {"a", "b"}


def test_step_that_nobody_planned_has_no_count(stream: io.StringIO) -> None:
    progress = PlainProgress(stream)
    progress.plan({"a": 1, "b": 1})
    with progress.step("builds"), progress.step("a"):
        pass

    assert lines(stream)[1:] == ["T  [1/2] a: T", "T  builds: T"]


def test_step_that_fails_says_so_and_is_not_counted(stream: io.StringIO) -> None:
    progress = PlainProgress(stream)
    progress.plan({"a": 1})
    with pytest.raises(ZeroDivisionError), progress.step("a"):
        fail()

    assert lines(stream)[1:] == ["T  a: stopped after T"]
    assert progress.stages == {}


def test_each_line_begins_with_the_seconds_since_the_start(stream: io.StringIO) -> None:
    progress = PlainProgress(stream, started=0)
    with progress.step("a"):
        pass

    assert re.match(r" *\d+\.\d s  a: 0\.\d s\n", stream.getvalue())


def test_stream_that_is_no_terminal_gets_plain_lines(stream: io.StringIO) -> None:
    with reporting(stream) as progress, progress.step("a"):
        pass

    assert lines(stream) == ["T  a: T"]


def test_bar_of_the_whole_moves_by_the_expected_seconds(bars: BarProgress) -> None:
    bars.plan({"a": 90, "b": 10})
    with bars.step("builds"), bars.step("a"):
        pass

    (whole,) = bars.bars.tasks
    assert (whole.completed, whole.total) == (90, 100)


def test_spinner_is_there_while_its_step_runs(bars: BarProgress) -> None:
    with bars.step("a"):
        assert [task.description for task in bars.bars.tasks] == ["a"]
    assert bars.bars.tasks == []


def test_bar_does_not_move_and_the_spinner_goes_when_a_step_fails(bars: BarProgress) -> None:
    bars.plan({"a": 90})
    with pytest.raises(ZeroDivisionError), bars.step("a"):
        fail()

    (whole,) = bars.bars.tasks
    assert whole.completed == 0
    assert bars.stages == {}
