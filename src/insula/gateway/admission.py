"""When a request may go to its tenant's Ollama. The seam where waiting, fairness and waking belong."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, Protocol

from insula.gateway.errors import NotReadyError
from insula.gateway.prompts import Prompt
from insula.gateway.tenants import TenantRoute

# Ollama's pod becomes ready within seconds once its image is on the node.
RETRY_AFTER_S: Final = 5


class Admission(Protocol):
    """Decides when a request goes on, and holds its place until the answer is complete."""

    def admit(self, route: TenantRoute, prompt: Prompt) -> AbstractAsyncContextManager[str]:
        """Wait for the request's turn and give the backend's "address:port" for as long as the answer takes.

        Raises:
            NotReadyError: It cannot be this request's turn in reasonable time.
        """
        ...


class PassThrough:
    """Lets every request go on at once, if the tenant's Ollama is ready."""

    @asynccontextmanager
    async def admit(self, route: TenantRoute, prompt: Prompt) -> AsyncIterator[str]:
        """Give the backend's address.

        Raises:
            NotReadyError: No Ollama of this tenant is ready.
        """
        yield backend_of(route)


def backend_of(route: TenantRoute) -> str:
    """Return the backend of a route.

    Raises:
        NotReadyError: No Ollama of this tenant is ready.
    """
    if route.backend is None:
        raise NotReadyError(
            f"the Ollama of {route.name} is not ready: it is starting, stopped, or waiting for a node",
            retry_after_s=RETRY_AFTER_S,
            tenant=route.name,
        )
    return route.backend
