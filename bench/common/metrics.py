"""What a scrape says."""

import re


def total(text: str, name: str, label: str = "") -> float:
    """Return the sum of a metric's samples that bear a label."""
    found = re.findall(rf"^{name}(?:{{([^}}]*)}})? (\S+)$", text, re.MULTILINE)
    return sum(float(value) for labels, value in found if label in labels)
