"""How a home stands with the seconds that its plan gives it for a day."""

from enum import StrEnum
from typing import Final

# From here on, a home is told how much of its day is gone.
WARN_AT: Final = 0.8


class Level(StrEnum):
    """How much of a day's seconds is used."""

    UNLIMITED = "unlimited"
    WITHIN = "within"
    NEAR = "near"
    """Four fifths or more."""
    USED_UP = "used up"


def level(used_s: float, limit_s: int | None) -> Level:
    """Return how a home stands that has used so much; without a limit it stands well."""
    if limit_s is None:
        return Level.UNLIMITED
    if used_s >= limit_s:
        return Level.USED_UP
    return Level.NEAR if used_s >= WARN_AT * limit_s else Level.WITHIN
