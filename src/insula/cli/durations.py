"""Lengths of time as people write them: 90s, 15m, 2h, 1d."""

import re
from typing import Final

from insula.domain import times
from insula.domain.errors import UsageError

_SHAPE: Final = re.compile(r"\d{1,9}[smhd]")


def seconds(text: str) -> int:
    """Return a length of time in seconds.

    Raises:
        UsageError: The text is no number with one of the units s, m, h, d.
    """
    length = text.strip()
    if not _SHAPE.fullmatch(length):
        raise UsageError(f"{text!r} is no length of time", remedy="write a number and a unit, like 90s, 15m, 2h or 1d")
    return times.seconds(length)


def words(length_s: int) -> str:
    """Return a length of time in the largest unit that divides it."""
    unit = next((unit for unit, size in reversed(times.UNITS_S.items()) if length_s and length_s % size == 0), "s")
    return f"{length_s // times.UNITS_S[unit]}{unit}"
