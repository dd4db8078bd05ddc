"""Run other programs and turn their failures into errors that say what was run and what it answered."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

from insula.domain.errors import InsulaError

DEFAULT_TIMEOUT_S: Final = 60.0
LAST_WORDS: Final = 600  # characters of a failed program's output that an error repeats: the end says why


class CommandError(InsulaError):
    """A program failed.

    Args:
        argv: What was run.
        code: Its exit code; negative: the signal that ended it; None: it ran out of time.
        output: Both its outputs.
    """

    def __init__(self, argv: Sequence[str], code: int | None, output: str) -> None:
        words = " ".join(argv)
        ending = "ran out of time" if code is None else f"ended with {code}"
        last_words = output.strip()[-LAST_WORDS:]
        super().__init__(f"`{words}` {ending}" + (f": {last_words}" if last_words else ""))
        self.argv = tuple(argv)
        self.code = code
        self.output = output


def run(
    argv: Sequence[str | Path], *, timeout_s: float = DEFAULT_TIMEOUT_S, stdin: IO[bytes] | bytes | None = None
) -> str:
    """Run a program to its end and return what it wrote to its standard output.

    Args:
        argv: The program and its arguments.
        timeout_s: Longest run in seconds; then it is killed.
        stdin: What it reads: an open file or bytes; nothing when None.

    Raises:
        CommandError: It ended with another code than 0, or ran out of time, or is not there.
    """
    words = [str(word) for word in argv]
    try:
        if isinstance(stdin, bytes):
            done = subprocess.run(words, input=stdin, capture_output=True, timeout=timeout_s, check=False)
        else:
            source = subprocess.DEVNULL if stdin is None else stdin
            done = subprocess.run(words, stdin=source, capture_output=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise CommandError(words, None, _text(error.stdout) + _text(error.stderr)) from error
    except OSError as error:
        raise CommandError(words, 127, str(error)) from error
    if done.returncode != 0:
        raise CommandError(words, done.returncode, _text(done.stdout) + _text(done.stderr))
    return _text(done.stdout)


def succeeds(argv: Sequence[str | Path], *, timeout_s: float = DEFAULT_TIMEOUT_S) -> bool:
    """Say whether a program ends with 0."""
    try:
        run(argv, timeout_s=timeout_s)
    except CommandError:
        return False
    return True


def _text(output: bytes | None) -> str:
    return (output or b"").decode(errors="replace")
