"""Many prompts that nobody waits for: what a batch is, and how large it may be."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PATH: Final = "/api/batch"  # of the gateway
MAX_LINES: Final = 1_000
MAX_UPLOAD_BYTES: Final = 4 * 1024 * 1024
# All answers of a batch together: what is beyond them is told as an error in its line's place.
MAX_ANSWERS_BYTES: Final = 16 * 1024 * 1024
# Whoever has more takes the results of one and deletes it.
MAX_BATCHES_PER_HOME: Final = 4
# All batches of all homes together, in a ledger whose usual volume has 1 GiB.
MAX_BYTES: Final = 256 * 1024 * 1024
KEPT_S: Final = 7 * 86_400
# Whoever runs a batch says so more often than this; a runner that died is followed by another after so long.
LEASE_S: Final = 60


class BatchState(StrEnum):
    """How far a batch is."""

    QUEUED = "queued"
    """No line was begun, or its runner is gone and the next one has not come."""
    RUNNING = "running"
    COMPLETED = "completed"
    """Every line has its answer or its error."""


@dataclass(frozen=True)
class Line:
    """One prompt: where it goes, and what it says, as JSON."""

    custom_id: str
    path: str
    body: str


@dataclass(frozen=True)
class Batch:
    """What is told of a batch. Times are seconds since 1970."""

    id: str
    state: BatchState
    created_at: int
    expires_at: int
    lines: int
    answered: int
    failed: int


@dataclass(frozen=True)
class Task:
    """The next line of a batch, for whoever runs it."""

    batch_id: str
    tenant_id: str
    number: int
    path: str
    body: str


@dataclass(frozen=True)
class Result:
    """What became of a line: the model's answer, or the error that came in its place, both as JSON."""

    custom_id: str
    status: int
    answer: str
