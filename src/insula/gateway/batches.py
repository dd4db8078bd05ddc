"""What a home asks of its batches: passed on to the ledger, which keeps them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from aiohttp import web

from insula.domain.batches import MAX_UPLOAD_BYTES, PATH
from insula.domain.errors import UnavailableError
from insula.gateway import prompts
from insula.gateway.errors import NotReadyError, TooLargeError
from insula.gateway.prompts import Take
from insula.gateway.tenants import TenantRoute
from insula.ledger.client import Answer

RETRY_AFTER_S: Final = 10
# No results come faster, and none of it is urgent.
_REFUSED_RETRY_S: Final = {429: 60, 503: 60}


class Ledger(Protocol):
    """Who keeps batches."""

    async def batches(self, method: str, path: str, tenant_id: str, body: bytes = b"") -> Answer:
        """Pass on what a home asks; UnavailableError where the ledger does not answer."""
        ...


class Batches(Protocol):
    """Answers what homes ask of their batches."""

    async def answer(self, request: web.BaseRequest, route: TenantRoute, path: str, take: Take) -> web.Response:
        """Answer a request below `PATH`; `take` is told how many bytes of it are held."""
        ...


class NoBatches:
    """There is no ledger to keep them."""

    async def answer(self, request: web.BaseRequest, route: TenantRoute, path: str, take: Take) -> web.Response:
        """Refuse.

        Raises:
            NotReadyError: Always.
        """
        raise NotReadyError("this gateway keeps no batches: it has no ledger")


@dataclass(frozen=True)
class KeptBatches:
    """Passes on to the ledger.

    Args:
        ledger: Who keeps batches.
        submitted: Is called when a new one is kept.
    """

    ledger: Ledger
    submitted: Callable[[], None]

    async def answer(self, request: web.BaseRequest, route: TenantRoute, path: str, take: Take) -> web.Response:
        """Answer a request below `PATH`.

        Raises:
            TooLargeError: An upload is longer than a batch may be.
            NotReadyError: The ledger is away.
        """
        body = await prompts.read_body(request, take=take)
        if len(body) > MAX_UPLOAD_BYTES:
            raise TooLargeError(f"the batch is longer than {MAX_UPLOAD_BYTES // 1024 // 1024} MiB: make several")
        try:
            told = await self.ledger.batches(request.method, path.removeprefix(PATH), route.tenant_id, body)
        except UnavailableError as error:
            raise NotReadyError("batches cannot be reached now", retry_after_s=RETRY_AFTER_S) from error
        if request.method == "POST":
            self.submitted()
        headers = {"Content-Type": told.content_type}
        if told.status in _REFUSED_RETRY_S:
            headers["Retry-After"] = str(_REFUSED_RETRY_S[told.status])
        return web.Response(status=told.status, body=told.body, headers=headers)
