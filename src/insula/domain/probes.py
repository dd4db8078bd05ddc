"""What a probe of the walls is: one path that is tried, what should come of it, and what came."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from insula.domain import names

# What a path is seen as. The words of a try that came to nothing:
TIMEOUT: Final = "timeout"
REJECTED: Final = "rejected"  # by a reset or an ICMP message: some networks enforce so
UNREACHABLE: Final = "unreachable"
UNKNOWN_NAME: Final = "unknown name"
REFUSED: Final = "refused"  # by the API server
# … and of one that got through; HTTP shows its status instead.
CONNECTED: Final = "connected"
RESOLVED: Final = "resolved"
ACCEPTED: Final = "accepted"
NOT_TRIED: Final = ""

SHUT: Final = frozenset({TIMEOUT, REJECTED, UNREACHABLE, REFUSED, UNKNOWN_NAME})
# A door that answers so is closed to whoever asked, and stands open as a path.
NO_ENTRY: Final = frozenset({"401", "403"})


class Position(StrEnum):
    """From where a path is tried: the place of a component in the network, or in front of the API server."""

    HOME_ASSISTANT = names.HOME_ASSISTANT
    OLLAMA = names.OLLAMA
    API = "api-server"


# Those from which a pod tries.
WITHIN: Final = (Position.HOME_ASSISTANT, Position.OLLAMA)


class Expected(StrEnum):
    """What should come of it."""

    REFUSED = "refused"
    ALLOWED = "allowed"  # a control: where this fails, a refusal beside it proves nothing


class Verdict(StrEnum):
    """What came of it."""

    GREEN = "green"
    RED = "red"
    UNKNOWN = "unknown"  # it was not tried, or proved nothing


@dataclass(frozen=True)
class Probe:
    """One path.

    `target` is `tcp:HOST:PORT`, `http:HOST:PORT/PATH`, `name:HOST` (to be resolved), or for the API server a sentence.
    """

    name: str
    position: Position
    target: str
    expected: Expected

    @property
    def path(self) -> str:
        """The path in words, as a condition names it."""
        return f"{self.position} → {self.name} ({self.target})"


@dataclass(frozen=True)
class Result:
    """A probe and what was seen; `detail` is the reason in the words of whoever refused, or why it was not tried."""

    probe: Probe
    seen: str
    detail: str = ""

    @property
    def verdict(self) -> Verdict:
        """Whether the wall is as it should be."""
        return judge(self.probe, self.seen)


def judge(probe: Probe, seen: str) -> Verdict:
    """Say whether what was seen is what should be."""
    if seen == NOT_TRIED:
        return Verdict.UNKNOWN
    if probe.expected is Expected.ALLOWED:
        return Verdict.RED if seen in SHUT else Verdict.GREEN
    # Where a name is not known nothing was tried. A name that should not be resolved is a try of its own.
    if seen == UNKNOWN_NAME and not probe.target.startswith("name:"):
        return Verdict.UNKNOWN
    return Verdict.GREEN if seen in SHUT | NO_ENTRY else Verdict.RED


def in_order(probes: Iterable[Probe]) -> tuple[Probe, ...]:
    """Return the probes as a Job tries them: those that must be allowed first."""
    return tuple(sorted(probes, key=lambda probe: probe.expected is Expected.REFUSED))
