"""The page about hardening lists every control, each in the table that is right for it."""

import re
from pathlib import Path

from hardening import CONTROLS

PAGE = (Path(__file__).parents[2] / "docs/explanation/hardening.md").read_text(encoding="utf-8")


def rows(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^\| (C-\d{4}) \| ([^|]+) \|", text, re.MULTILINE)


def test_every_control_is_listed_with_its_title_where_it_is_judged() -> None:
    ours, clusters = PAGE.split("These are settings of the cluster")
    assert rows(ours) == [(each.number, each.title) for each in CONTROLS if each.judge]
    assert rows(clusters) == [(each.number, each.title) for each in CONTROLS if not each.judge]
