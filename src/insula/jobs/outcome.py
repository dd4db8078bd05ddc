"""How a Job ends: one JSON message that Kubernetes keeps with the pod, for the operator to read."""

import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

from insula.domain.errors import InsulaError, cap

TERMINATION_LOG_VARIABLE: Final = "INSULA_TERMINATION_LOG"
TERMINATION_LOG: Final = "/dev/termination-log"
STOPPED: Final = 143  # as shells count SIGTERM


class Outcome:
    """What a Job has to say at its end; set by the Job when it is done."""

    def __init__(self) -> None:
        self.result: Mapping[str, Any] = {}


@contextmanager
def telling_the_end() -> Iterator[Outcome]:
    """Write the outcome of the block to the termination log: its result, or its error with what to do about it.

    Errors pass through; the entry point makes exit codes of them.
    """
    # As the first process of a container we would not hear SIGTERM without a handler.
    signal.signal(signal.SIGTERM, _stop)
    outcome = Outcome()
    try:
        yield outcome
    except InsulaError as error:
        _write({"error": cap(error.message, 1024), "remedy": cap(error.remedy, 512)})
        raise
    except Exception as error:
        _write({"error": cap(f"{type(error).__name__}: {error}", 1024), "remedy": "see the log of the job's pod"})
        raise
    _write(outcome.result)


def _write(message: Mapping[str, Any]) -> None:
    path = Path(os.environ.get(TERMINATION_LOG_VARIABLE, TERMINATION_LOG))
    path.write_text(json.dumps(message), encoding="utf-8")


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(STOPPED)
