"""A new key in place of an old one: who asks for it, and how long the old one opens beside it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from insula.domain import times

# A home is told of its new key within seconds; a quarter of an hour also covers one that restarts meanwhile.
DEFAULT_GRACE_S: Final = 900
MAX_GRACE_S: Final = 7 * 24 * 3600


@dataclass(frozen=True)
class Grace:
    """Which older keys still open: those from `generation` on, before the time `until`. The empty one opens none."""

    generation: int = 0
    until: datetime | None = None

    def covers(self, generation: int, now: datetime) -> bool:
        """Say whether a generation still opens at this time."""
        return self.is_running(now) and generation >= self.generation

    def is_running(self, now: datetime) -> bool:
        """Say whether the grace has not ended. Nobody has to write anything for it to end."""
        return self.until is not None and now < self.until

    def to_text(self) -> str:
        """Return what an annotation holds of it; nothing for the empty one."""
        return f"{self.generation}/{times.written(self.until)}" if self.until else ""

    @classmethod
    def from_text(cls, text: str) -> "Grace":
        """Read it back; what is spoilt opens nothing."""
        generation, _, until = text.partition("/")
        when = _moment(until)
        return cls(int(generation), when) if when and generation.isdecimal() else cls()


@dataclass(frozen=True)
class Request:
    """That a home shall have a new key: `asked` tells one request from another, the later one counts."""

    asked: datetime
    grace_s: int = DEFAULT_GRACE_S

    def to_text(self) -> str:
        """Return what the annotation on the Tenant holds."""
        return f"{self.asked.astimezone(UTC).isoformat()}/{self.grace_s}"

    @classmethod
    def from_text(cls, text: str) -> "Request | None":
        """Read a request: a time, and the grace in whole seconds unless it is the usual one. None: it is none."""
        when, slash, seconds = text.partition("/")
        asked = _moment(when)
        if asked is None or (slash and not seconds.isdecimal()):
            return None
        return cls(asked, min(int(seconds), MAX_GRACE_S) if slash else DEFAULT_GRACE_S)

    def grace(self, generation: int, running: Grace, now: datetime) -> Grace:
        """Return which older keys open when this request is honoured now.

        Args:
            generation: The one that was in force.
            running: The grace from before: a home that has not taken the last key yet keeps the one it has.
            now: The time, with a zone.
        """
        if not self.grace_s:
            return Grace()
        first = running.generation if running.is_running(now) else generation
        return Grace(first, now + timedelta(seconds=self.grace_s))


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
