"""How the gateway asks itself: a request that it makes for a home, through its own door and all that is behind it."""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from insula.gateway.errors import UnauthorizedError
from insula.gateway.tenants import Directory, TenantRoute

HEADER: Final = "X-Insula-Pass"


def _random() -> str:
    return secrets.token_urlsafe(32)


@dataclass
class Pass:
    """A secret that gateways alone know: the ledger, which homes do not reach, tells it to all of them.

    Whoever says it may name any home. Another replica may still say the last one for a moment.
    """

    secret: str = field(default_factory=_random, repr=False)
    _last: str = field(default_factory=_random, repr=False)

    def learn(self, secret: str) -> None:
        """Take note of what the ledger says now."""
        if secret and secret != self.secret:
            self._last, self.secret = self.secret, secret

    def headers(self, tenant_id: str) -> dict[str, str]:
        """Return what a request of a home's carries in place of its key."""
        return {HEADER: f"{tenant_id} {self.secret}"}

    def route(self, headers: Mapping[str, str], directory: Directory) -> TenantRoute | None:
        """Return the home that a request with a pass speaks for; None: it has no pass, and needs a key.

        Raises:
            UnauthorizedError: The pass is false, or its home is gone.
        """
        said = headers.get(HEADER)
        if said is None:
            return None
        tenant_id, _, secret = said.partition(" ")
        true = [
            hmac.compare_digest(secret.encode(errors="replace"), each.encode()) for each in (self.secret, self._last)
        ]
        if not any(true):
            raise UnauthorizedError("this pass is not the gateway's own")
        route = directory.find(tenant_id)
        if route is None:
            raise UnauthorizedError("the pass's tenant does not exist")
        return route
