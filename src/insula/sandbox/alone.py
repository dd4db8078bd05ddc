"""Who changes a sandbox: root alone, and one run at a time."""

import contextlib
import fcntl
import os
from collections.abc import Iterator

import typer

from insula.domain.errors import UnavailableError, UsageError
from insula.sandbox.cluster import Cluster
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


def cluster_to_change(what: str) -> Cluster:
    """Return the sandbox's cluster, for somebody who may change it.

    Raises:
        UsageError: Somebody else than root asks; the message names `what` of it was to change.
        UnavailableError: The sandbox is not up.
    """
    layout = Layout.default()
    if os.geteuid() != 0:
        raise UsageError(f"only root can change a sandbox's {what}", remedy="run it with sudo")
    if not layout.kubeconfig.exists():
        raise UnavailableError("the sandbox is not up", remedy="run `insula sandbox up`")
    return Cluster(layout, layout.state / "bin")
