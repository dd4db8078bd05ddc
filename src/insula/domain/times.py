"""Times and lengths of time as people and Kubernetes write them."""

from datetime import UTC, datetime
from typing import Final

UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def moment(text: str) -> datetime | None:
    """Return the time that Kubernetes wrote, None if it wrote none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def written(when: datetime) -> str:
    """Return a time as Kubernetes writes it, in whole seconds."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def written_precisely(when: datetime) -> str:
    """Return a time as Leases and Events hold it, in microseconds."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds(length: str) -> int:
    """Return a length of time, a number with one of the units of `UNITS_S`, in seconds. It was checked before."""
    return int(length[:-1]) * UNITS_S[length[-1]]
