"""The port of a serving process for the kubelet and whoever scrapes: /healthz, /readyz and /metrics."""

from collections.abc import Callable, Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

Checks = Callable[[], Sequence[str]]  # what is wrong, in words; empty: nothing


def application(registry: CollectorRegistry, *, unready: Checks, unhealthy: Checks) -> web.Application:
    """Return the health server.

    Args:
        registry: The metrics to publish.
        unready: What keeps the process from doing its work.
        unhealthy: What only a restart can mend.
    """

    def answer(wrong: Sequence[str]) -> web.Response:
        text = "\n".join(wrong) if wrong else "ok"
        return web.Response(text=text + "\n", status=503 if wrong else 200)

    async def health(_request: web.Request) -> web.Response:
        return answer(unhealthy())

    async def readiness(_request: web.Request) -> web.Response:
        return answer(unready())

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    served = web.Application()
    served.router.add_get("/healthz", health)
    served.router.add_get("/readyz", readiness)
    served.router.add_get("/metrics", metrics)
    return served
