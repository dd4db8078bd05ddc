"""The second port: health for the kubelet, metrics for whoever scrapes, the cache's counts. Never for tenants."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry

from insula.services import health


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


def application(
    readiness: Readiness, registry: CollectorRegistry, cache: Callable[[], list[dict[str, Any]]] = list
) -> web.Application:
    """Return the second port's server: alive while the event loop turns, ready while no check fails.

    Args:
        readiness: What makes it ready.
        registry: The metrics.
        cache: What the cache counted, a row a tenant.
    """

    async def tell_cache(_: web.Request) -> web.Response:
        return web.json_response({"tenants": cache()})

    second = health.application(registry, unready=readiness.failing, unhealthy=list)
    second.router.add_get("/cache", tell_cache)
    return second
