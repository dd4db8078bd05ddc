"""Every metric of the source stands on the metrics page, and the page names no other."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAME = re.compile(r'["`](insula_(?:operator|gateway|ledger)_[a-z_]+)["`]')


def names_in(text: str) -> set[str]:
    return set(NAME.findall(text))


def test_the_page_and_the_source_name_the_same_metrics() -> None:
    sources = [
        path for door in ("operator", "gateway", "bookkeeper") for path in (ROOT / "src" / "insula" / door).glob("*.py")
    ]
    written = set().union(*(names_in(path.read_text()) for path in sources))
    assert written
    assert names_in((ROOT / "docs" / "reference" / "metrics.md").read_text()) == written
