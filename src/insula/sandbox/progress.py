"""Progress of long work: bars on a terminal, plain lines elsewhere, seconds by stage in both."""

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress


class Progress(Protocol):
    """Where long work tells how far it is."""

    def plan(self, weights_s: Mapping[str, int]) -> None:
        """Announce steps by name with the seconds that each is expected to take."""

    def step(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Mark a step as running while the block runs."""


@dataclass
class PlainProgress:
    """A line when a step ends. For logs and pipes."""

    stream: TextIO = field(default_factory=lambda: sys.stdout)
    started: float = field(default_factory=time.monotonic)
    stages: dict[str, float] = field(default_factory=dict)
    _planned: set[str] = field(default_factory=set)
    _ended: int = 0

    def plan(self, weights_s: Mapping[str, int]) -> None:
        """Announce how many steps will follow."""
        self._planned.update(weights_s)
        self._say(f"{len(weights_s)} things to build, about {sum(weights_s.values()) // 60 + 1} minutes on two cores")

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Print the step's name and seconds when it ends, and the count of those that were planned."""
        began = time.monotonic()
        try:
            yield
        except BaseException:
            self._say(f"{name}: stopped after {time.monotonic() - began:.1f} s")
            raise
        self.stages[name] = time.monotonic() - began
        self._ended += name in self._planned
        count = f"[{self._ended}/{len(self._planned)}] " if name in self._planned else ""
        self._say(f"{count}{name}: {self.stages[name]:.1f} s")

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self.started:7.1f} s  {text}", file=self.stream, flush=True)


@dataclass
class BarProgress:
    """Bars that move. For a person at a terminal."""

    bars: RichProgress
    stages: dict[str, float] = field(default_factory=dict)
    _whole: TaskID | None = None
    _weights: dict[str, int] = field(default_factory=dict)

    def plan(self, weights_s: Mapping[str, int]) -> None:
        """Add a bar for the whole."""
        self._weights.update(weights_s)
        self._whole = self.bars.add_task("building", total=sum(weights_s.values()))

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show a spinner while the step runs, a line when it is done."""
        began = time.monotonic()
        task = self.bars.add_task(name, total=None)
        try:
            yield
        finally:
            self.bars.remove_task(task)
        self.stages[name] = time.monotonic() - began
        self.bars.console.print(f"[green]✓[/] {name} [dim]{self.stages[name]:.1f} s[/]")
        if self._whole is not None:
            self.bars.advance(self._whole, self._weights.get(name, 0))


@contextlib.contextmanager
def reporting(stream: TextIO | None = None) -> Iterator[PlainProgress | BarProgress]:
    """Give the progress that fits the stream (standard output when `None`)."""
    stream = stream or sys.stdout
    if not stream.isatty():
        yield PlainProgress(stream)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with RichProgress(*columns, console=Console(file=stream), transient=True) as bars:
        yield BarProgress(bars)
