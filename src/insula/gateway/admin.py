"""The second port: health for the kubelet, metrics for whoever scrapes. Never for tenants."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


@dataclass
class Readiness:
    """Why the gateway is not ready: the checks that fail, and whether it is going away.

    `checks` maps what must be true, as a sentence, to the question whether it is.
    """

    checks: dict[str, Callable[[], bool]]
    draining: bool = False

    def failing(self) -> list[str]:
        """Return what is not as it must be; empty when ready."""
        failing = [name for name, holds in self.checks.items() if not holds()]
        return ["the gateway is shutting down", *failing] if self.draining else failing


def application(readiness: Readiness, registry: CollectorRegistry) -> web.Application:
    """Return the application with /healthz (the event loop turns), /readyz and /metrics."""

    async def healthz(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_request: web.Request) -> web.Response:
        failing = readiness.failing()
        return web.Response(status=503 if failing else 200, text="\n".join(failing or ["ok"]) + "\n")

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    application.router.add_get("/metrics", metrics)
    return application
