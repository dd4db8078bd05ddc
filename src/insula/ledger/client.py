"""The ledger as gateways and the operator reach it: over HTTP, without its database's password or libraries."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import orjson

from insula.domain.batches import Task
from insula.domain.errors import ConflictError, UnavailableError, cap
from insula.domain.usage import Flush

TIMEOUT_S: Final = 8.0  # longer than the ledger waits for its database


@dataclass(frozen=True)
class Totals:
    """For how long models have computed on a day, in nanoseconds by the homes' identities.

    `shared` is a secret of all gateways' own, "" for others than gateways.
    """

    day: date
    gpu_ns: Mapping[str, int]
    shared: str = field(default="", repr=False)


@dataclass(frozen=True)
class Answer:
    """What the ledger answered, for whoever passes it on."""

    status: int
    content_type: str
    body: bytes


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

    async def batches(self, method: str, path: str, tenant_id: str, body: bytes = b"") -> Answer:
        """Pass on what a home asks of its batches, and what it is told. `path` is below `/batches`.

        Raises:
            UnavailableError: The ledger did not answer.
        """
        return await self._send(method, "/batches" + path, body, {"tenantId": tenant_id})

    async def claim(self, runner: str) -> Task | None:
        """Take the batch that waits longest; None: there is none.

        Raises:
            UnavailableError: The ledger did not answer.
        """
        return await self._run("", {"runner": runner})

    async def hold(self, batch_id: str, runner: str) -> None:
        """Say that a batch is still being run.

        Raises:
            ConflictError: It is gone, or another one's.
            UnavailableError: The ledger did not answer.
        """
        await self._run(f"/{batch_id}/hold", {"runner": runner})

    async def release(self, batch_id: str, runner: str, *, after_s: int) -> None:
        """Let a batch go; see `hold`."""
        await self._run(f"/{batch_id}/release", {"runner": runner, "afterS": after_s})

    async def answer(self, task: Task, runner: str, *, status: int, answer: str) -> Task | None:
        """Hand in what became of a line; return the next one, None where that was the last. See `hold`."""
        said = {"runner": runner, "number": task.number, "status": status, "answer": answer}
        return await self._run(f"/{task.batch_id}/answer", said)

    async def _run(self, path: str, said: Mapping[str, Any]) -> Task | None:
        told = await self._send("POST", "/claims" + path, orjson.dumps(said))
        if told.status == HTTPStatus.CONFLICT:
            raise ConflictError("the batch is gone, or another one's")
        if told.status == HTTPStatus.NO_CONTENT:
            return None
        if told.status != HTTPStatus.OK:
            raise _refused(told)
        try:
            return Task(**orjson.loads(told.body))
        except (ValueError, TypeError) as error:
            raise UnavailableError("the ledger gives a line that nobody knows") from error

    async def _ask(self, method: str, path: str, body: bytes = b"") -> Totals:
        told = await self._send(method, path, body)
        if told.status != HTTPStatus.OK:
            raise _refused(told)
        try:
            totals = orjson.loads(told.body)
            return Totals(date.fromisoformat(totals["day"]), totals["gpuNs"], str(totals.get("shared", "")))
        except (ValueError, KeyError, TypeError) as error:
            raise UnavailableError("the ledger tells totals that nobody knows") from error

    async def _send(
        self, method: str, path: str, body: bytes = b"", parameters: Mapping[str, str] | None = None
    ) -> Answer:
        timeout, url = aiohttp.ClientTimeout(total=TIMEOUT_S), self.url + path
        try:
            sent = io.BytesIO(body) if body else None  # written piece by piece: it may have MiB
            async with self.session.request(method, url, data=sent, params=parameters, timeout=timeout) as told:
                return Answer(told.status, told.content_type, await told.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UnavailableError(f"the ledger does not answer: {cap(f'{type(error).__name__}: {error}')}") from error


def _refused(told: Answer) -> UnavailableError:
    return UnavailableError(f"the ledger answered {told.status}: {cap(told.body.decode(errors='replace'))}")
