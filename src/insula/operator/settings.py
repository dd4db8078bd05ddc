"""What the operator is started with."""

import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from insula.contract import values
from insula.domain.errors import NotFoundError
from insula.domain.platform import Platform
from insula.kube.leases import DEFAULT_TIMING, Timing

LEASE: Final = "insula-operator"


def _identity() -> str:
    # In a pod the host's name is the pod's. The process id keeps two operators on one machine apart.
    return f"{socket.gethostname()}-{os.getpid()}"


@dataclass(frozen=True)
class Settings:
    """The operator's settings; times in seconds."""

    platform: Platform
    namespace: str
    """Where the Lease, the signing keys and the verify keys live: the release's."""
    workers: int = 16
    """How many homes are looked at at the same time: enough that the API server is never waited for alone."""
    lease: bool = True
    """Whether to lead by a Lease; off only where nothing else can be running."""
    port: int = 8080
    """Port of health and metrics; 0: any free one."""
    host: str = "0.0.0.0"  # noqa: S104  # the kubelet and Prometheus come from outside of the pod
    """Address of health and metrics."""
    identity: str = field(default_factory=_identity)
    """Who we are in the Lease and in Events."""
    timing: Timing = DEFAULT_TIMING
    """The Lease's times."""
    drain_s: float = 20.0
    """How long looks under way may still take after SIGTERM."""
    ledger: str = ""
    """The ledger's URL; empty: nobody knows what homes use."""


def load_platform(path: Path) -> Platform:
    """Read the platform file.

    Raises:
        NotFoundError: There is no such file.
        InvalidSpecError: It breaks a rule.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFoundError(
            f"the platform file {path} does not exist", remedy="name it with --platform; the chart mounts one"
        ) from error
    return values.platform_from_yaml(text)
