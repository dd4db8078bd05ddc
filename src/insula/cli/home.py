"""Open a tenant's home from a person's machine: at the route's address, by its own name, with its own authority."""

import contextlib
from collections.abc import AsyncIterator

from insula.services.asking import Account, Door, Home


@contextlib.asynccontextmanager
async def log_in(door: Door, account: Account) -> AsyncIterator[Home]:
    """Open a home and log in; the connection closes with the context."""
    raise NotImplementedError(door, account)
    yield
