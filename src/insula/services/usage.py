"""Asks the ledger what homes use, through the API server: whoever may, needs no password of its database."""

import math
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final, Protocol

from insula.contract import bookings
from insula.domain.errors import NotFoundError
from insula.domain.usage import Account, Amount

SERVICE: Final = "insula-ledger:ledger"
_DAY_S: Final = 86_400


class Proxy(Protocol):
    """What passes requests on to Services in the cluster."""

    async def through(self, service: str, path: str, *, parameters: Mapping[str, str] | None = None) -> bytes:
        """Return a Service's answer; an InsulaError where there is none."""


async def read(cluster: Proxy, *, namespace: str, since: date, tenant: str = "") -> list[tuple[Account, Amount]]:
    """Return what was used from a day on, oldest first; of one home, or of all.

    Raises:
        InsulaError: The ledger did not answer, or this person may not ask it.
    """
    parameters = {"since": since.isoformat()} | ({"tenant": tenant} if tenant else {})
    try:
        answer = await cluster.through(f"{namespace}/{SERVICE}", "/usage", parameters=parameters)
    except NotFoundError as error:
        remedy = "name the namespace that Insula stands in: --namespace"
        raise NotFoundError(f"there is no ledger in the namespace {namespace}", remedy=remedy) from error
    return bookings.usage_from_json(answer)


def first_day(now: datetime, length_s: int) -> date:
    """Return the first of the days that a length of time up to now spans, today included; `now` is in UTC."""
    return now.date() - timedelta(days=max(1, math.ceil(length_s / _DAY_S)) - 1)
