"""Stand-ins on this machine's loopback: an aiohttp application that listens, and how a program of ours is led to it."""

import base64
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

_NAME = "bench"


@contextlib.asynccontextmanager
async def serving(application: web.Application) -> AsyncIterator[int]:
    """Serve while the context lasts; yield the port."""
    runner = web.AppRunner(application, handler_cancellation=True, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def write_kubeconfig(path: Path, server: str, *, ca_pem: bytes = b"", token: str = "") -> Path:
    """Write a kubeconfig that leads to an API server, and return its path."""
    cluster: dict[str, Any] = {"server": server}
    if ca_pem:
        cluster["certificate-authority-data"] = base64.b64encode(ca_pem).decode()
    document = {
        "current-context": _NAME,
        "contexts": [{"name": _NAME, "context": {"cluster": _NAME, "user": _NAME}}],
        "clusters": [{"name": _NAME, "cluster": cluster}],
        "users": [{"name": _NAME, "user": {"token": token} if token else {}}],
    }
    path.write_text(yaml.safe_dump(document))
    return path
