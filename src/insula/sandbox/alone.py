"""One change of a sandbox at a time."""

import contextlib
import fcntl
from collections.abc import Iterator

import typer

from insula.sandbox.layout import Layout


@contextlib.contextmanager
def alone(layout: Layout) -> Iterator[None]:
    """Wait until no other run changes this sandbox. The lock is the kernel's: it ends with the process."""
    path = layout.cache / "locks" / f"{layout.name}.up"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            typer.echo("another run is at work on this sandbox; waiting for its end", err=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
