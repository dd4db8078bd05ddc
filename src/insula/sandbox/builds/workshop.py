"""Running the tools of a build: one log a recipe, a bounded number at once, no orphan left behind."""

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from insula.domain.errors import InsulaError, cap

LOG_TAIL_LINES: Final = 12
LAST_WORDS: Final = 900  # characters of the log that an error repeats: the end says why
STOP_GRACE_S: Final = 5.0


class BuildError(InsulaError):
    """A tool of a build failed; the message ends with its last words and its log's path."""


@dataclass(frozen=True)
class Workshop:
    """What a recipe works with.

    Attributes:
        cache: Root of the tools' own caches (Go's modules and objects, wheels) and of the logs.
        name: The recipe's name, for its log.
        host_environment: The variables the tools inherit.
        stop_grace_s: Seconds that a tool has to clean up when it is told to stop.
    """

    cache: Path
    name: str
    host_environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    stop_grace_s: float = STOP_GRACE_S

    @property
    def log(self) -> Path:
        """Return the recipe's log file."""
        return self.cache / "logs" / f"{self.name.replace('/', '-')}.log"

    async def run(
        self, argv: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        """Run a program to its end, its output appended to the log.

        Raises:
            BuildError: It could not be started or ended with a code other than 0.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            log.write(f"$ {' '.join(map(str, argv))}\n".encode())
            log.flush()
            try:
                process = await asyncio.create_subprocess_exec(
                    *map(str, argv),
                    cwd=cwd,
                    env={**self.host_environment, **(env or {})},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as error:
                raise self._not_started(argv[0], cwd, error) from error
            try:
                code = await process.wait()
            except asyncio.CancelledError:
                await _stop_group(process, self.stop_grace_s)
                raise
        if code != 0:
            raise BuildError(f"{self.name}: {argv[0]} ended with code {code}: {self._last_words()}")

    def _not_started(self, program: str | Path, cwd: Path | None, error: OSError) -> BuildError:
        if isinstance(error, FileNotFoundError) and (cwd is None or cwd.is_dir()):
            return BuildError(f"{self.name}: the program {program} is missing", remedy="run scripts/install-tools.sh")
        return BuildError(f"{self.name}: {program} cannot be started: {cap(str(error))}")

    def _last_words(self) -> str:
        with self.log.open(errors="replace") as log:
            tail = " | ".join(line.strip() for line in deque(log, maxlen=LOG_TAIL_LINES))
        return f"{tail[-LAST_WORDS:]} (whole log: {self.log})"


async def _stop_group(process: asyncio.subprocess.Process, grace_s: float) -> None:
    """Stop a tool and its children, which share its process group.

    The tool itself may clean up for a while; children that outlive it are killed, as nobody waits for them.
    """
    with contextlib.suppress(ProcessLookupError):
        try:
            os.killpg(process.pid, signal.SIGTERM)
            async with asyncio.timeout(grace_s):
                await process.wait()
        except TimeoutError:
            pass
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
