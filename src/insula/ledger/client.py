"""The ledger as gateways and the operator reach it: over HTTP, without its database's password or libraries."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus
from typing import Final

import aiohttp
import orjson

from insula.domain.errors import UnavailableError, cap
from insula.domain.usage import Flush

TIMEOUT_S: Final = 8.0  # longer than the ledger waits for its database


@dataclass(frozen=True)
class Totals:
    """For how long models have computed on a day, in nanoseconds by the homes' identities."""

    day: date
    gpu_ns: Mapping[str, int]


@dataclass(frozen=True)
class LedgerClient:
    """Speaks to `insula ledger`.

    Args:
        session: The process's HTTP client.
        url: The ledger's address, without a path.
    """

    session: aiohttp.ClientSession
    url: str

    async def hand_in(self, flush: Flush) -> Totals:
        """Hand in sums; return today's totals, in which they are.

        Raises:
            UnavailableError: The ledger did not confirm. It may have booked the flush all the same.
        """
        return await self._ask("POST", "/flush", orjson.dumps(flush.to_document()))

    async def totals(self) -> Totals:
        """Return today's totals.

        Raises:
            UnavailableError: The ledger did not answer.
        """
        return await self._ask("GET", "/totals")

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> Totals:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with self.session.request(method, self.url + path, data=body, timeout=timeout) as response:
                answer = await response.read()
                if response.status != HTTPStatus.OK:
                    raise UnavailableError(
                        f"the ledger answered {response.status}: {cap(answer.decode(errors='replace'))}"
                    )
                told = orjson.loads(answer)
                return Totals(date.fromisoformat(told["day"]), told["gpuNs"])
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
            raise UnavailableError(f"the ledger does not answer: {cap(f'{type(error).__name__}: {error}')}") from error
