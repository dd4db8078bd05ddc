"""A figure as it is printed and written: a median with n and spread, beside its goal and its peer."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.common import machine


@dataclass(frozen=True)
class Figure:
    """One measured quantity.

    Args:
        figure: Its name, constant for ever; ends in its unit.
        values: Every measurement, in `unit`.
        unit: s, MiB, …
        goal: What it should be at most; None: no goal.
        at_least: Whether the goal is what it should be at least.
        peer: The value of what it is compared with, taken in the same run; None: nothing.
        peer_name: What that is.
        limited_by: What kept it from being better, as far as it was seen.
    """

    figure: str
    values: Sequence[float]
    unit: str
    goal: float | None = None
    peer: float | None = None
    peer_name: str = ""
    limited_by: str = ""
    at_least: bool = False

    @property
    def median(self) -> float:
        """The middle measurement."""
        return statistics.median(self.values)

    @property
    def holds(self) -> bool | None:
        """Say whether the goal is met; None: there is none."""
        if self.goal is None:
            return None
        return self.median >= self.goal if self.at_least else self.median <= self.goal

    def to_json(self) -> dict[str, Any]:
        """Return the figure as it is written."""
        return {
            "figure": self.figure,
            "value": round(self.median, 3),
            "unit": self.unit,
            "goal": self.goal,
            "peer": None if self.peer is None else round(self.peer, 3),
            "peer_name": self.peer_name,
            "n": len(self.values),
            "min": round(min(self.values), 3),
            "max": round(max(self.values), 3),
            "limited_by": self.limited_by,
        } | ({"at_least": True} if self.at_least else {})


def write(path: Path, figures: Sequence[Figure], **more: Any) -> None:
    """Write figures with the machine, the date and the commit; `more` holds raw measurements."""
    document = {
        "figures": [figure.to_json() for figure in figures],
        "machine": machine.describe(),
        "date": _now(),
        "commit": machine.commit(),
        **more,
    }
    _write(path, document)


def merge(path: Path, figures: Sequence[Figure], **more: Any) -> None:
    """Put figures into a file that holds others already: those of the same name are replaced, the others stay.

    Each bears the date, the commit and the load of its own measurement; those of the file are the last one's.
    """
    held = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    stamp = {"date": _now(), "commit": machine.commit(), "load": round(machine.load(), 1)}
    taken = {each["figure"]: each for each in held.get("figures", [])}
    taken |= {figure.figure: figure.to_json() | stamp for figure in figures}
    document = {"figures": list(taken.values()), "machine": machine.describe(), "date": stamp["date"]}
    raw = {key: value for key, value in held.items() if key not in (*document, "commit")}
    _write(path, document | {"commit": stamp["commit"]} | raw | more)


def show(figures: Sequence[Figure]) -> None:
    """Print figures as a table."""
    table = Table("figure", "median", "min", "max", "n", "unit", "goal", "holds", "peer")
    for figure in figures:
        peer = "" if figure.peer is None else f"{figure.peer:.2f} ({figure.peer_name})"
        goal = "" if figure.goal is None else f"{'≥ ' if figure.at_least else ''}{figure.goal:g}"
        spread = f"{min(figure.values):.2f}", f"{max(figure.values):.2f}"
        amounts = (f"{figure.median:.2f}", *spread, str(len(figure.values)))
        holds = {True: "pass", False: "FAIL", None: ""}[figure.holds]
        table.add_row(figure.figure, *amounts, figure.unit, goal, holds, peer)
    console = Console()
    console.print(table)
    for figure in figures:
        if figure.limited_by:
            console.print(f"{figure.figure}: {figure.limited_by}", soft_wrap=True, highlight=False)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _write(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
