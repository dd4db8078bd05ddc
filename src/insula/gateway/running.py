"""Runs batches: takes one of a home, asks the gateway itself line by line, in the class batch, and hands in answers.

A line is asked again where a gateway dies before its answer is handed in; its answer is kept once.
"""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Protocol

import aiohttp
import structlog

from insula.domain.batches import LEASE_S, Task
from insula.domain.errors import ConflictError, InsulaError, UnavailableError
from insula.domain.inference import Priority
from insula.gateway import wire
from insula.gateway.passes import Pass
from insula.gateway.prompts import PRIORITY_HEADER

# Batches of so many homes are under way at a time in one gateway, each with one line; the others wait.
AT_ONCE: Final = 8
LOOK_EVERY_S: Final = 5.0
HOLD_EVERY_S: Final = LEASE_S / 4
# An answer that breaks off is asked for again: the home's Ollama may have been restarted. Not for ever: the prompt
# itself may be what breaks it.
TRIES: Final = 3
TRY_AGAIN_S: Final = 5.0
# When the gateway says "later" and not when.
PAUSE_S: Final = 15
LONGEST_PAUSE_S: Final = 3600
MAX_ANSWER_BYTES: Final = 1024 * 1024
_LATER: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.UNAUTHORIZED)

_log = structlog.get_logger(__name__)


class Ledger(Protocol):
    """Who hands out batches."""

    async def claim(self, runner: str) -> Task | None:
        """Take the batch that waits longest; None: there is none."""
        ...

    async def hold(self, batch_id: str, runner: str) -> None:
        """Say that a batch is still being run; ConflictError where it is not ours any more."""
        ...

    async def release(self, batch_id: str, runner: str, *, after_s: int) -> None:
        """Let a batch go."""
        ...

    async def answer(self, task: Task, runner: str, *, status: int, answer: str) -> Task | None:
        """Hand in what became of a line; return the next one."""
        ...


@dataclass(frozen=True)
class Said:
    """What the gateway said to a line. `later_s`: ask again after so long; None: that is the answer."""

    status: int
    text: str = ""
    later_s: int | None = None


@dataclass
class Runner:
    """Runs batches.

    Args:
        ledger: Who hands them out.
        session: The process's HTTP client.
        url: The gateway itself.
        own: Its pass.
        name: The name of this run of this process.
    """

    ledger: Ledger
    session: aiohttp.ClientSession
    url: str
    own: Pass
    name: str
    try_again_s: float = TRY_AGAIN_S
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def look(self) -> None:
        """Look for batches now: there is a new one."""
        self._news.set()

    async def run(self) -> None:
        """Run batches until cancelled; those under way are then let go for others."""
        places = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            while True:
                await places.acquire()
                task = await self._claim()
                if task is None:
                    places.release()
                    await self._wait()
                else:
                    group.create_task(self._run(task)).add_done_callback(lambda _: places.release())

    async def _claim(self) -> Task | None:
        try:
            return await self.ledger.claim(self.name)
        except UnavailableError:
            return None  # whoever hands in usage says so in the log

    async def _wait(self) -> None:
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._news.wait()

    async def _run(self, task: Task) -> None:
        """Run a batch from a line on, to its end or until it has to pause."""
        try:
            async with asyncio.TaskGroup() as group:
                holding = group.create_task(self._hold(task.batch_id))
                await self._lines(task)
                holding.cancel()
        except* ConflictError:
            _log.info("batch_gone", batch=task.batch_id)
        except* UnavailableError as group:
            # Its lease ends, and somebody takes it up.
            _log.warning("batch_left", batch=task.batch_id, error=str(group.exceptions[0]))
        except* Exception:  # one batch's affair, and not the gateway's end
            _log.exception("batch_failed", batch=task.batch_id)

    async def _hold(self, batch_id: str) -> None:
        while True:
            await asyncio.sleep(HOLD_EVERY_S)
            with contextlib.suppress(UnavailableError):  # it may be back before the lease ends
                await self.ledger.hold(batch_id, self.name)

    async def _lines(self, task: Task) -> None:
        batch_id, following = task.batch_id, task
        try:
            while True:
                said = await self._answer(following)
                if said.later_s is not None:
                    await self.ledger.release(batch_id, self.name, after_s=said.later_s)
                    return
                given = await self._hand_in(following, said)
                if given is None:
                    _log.info("batch_completed", batch=batch_id)
                    return
                following = given
        except asyncio.CancelledError:
            with contextlib.suppress(InsulaError):
                await self.ledger.release(batch_id, self.name, after_s=0)
            raise

    async def _hand_in(self, task: Task, said: Said) -> Task | None:
        for _ in range(TRIES):
            with contextlib.suppress(UnavailableError):
                return await self.ledger.answer(task, self.name, status=said.status, answer=said.text)
            await asyncio.sleep(self.try_again_s)
        return await self.ledger.answer(task, self.name, status=said.status, answer=said.text)

    async def _answer(self, task: Task) -> Said:
        for _ in range(TRIES):
            try:
                said = await self._ask(task)
            except (aiohttp.ClientError, TimeoutError):
                said = Said(HTTPStatus.BAD_GATEWAY, _error("the answer broke off"))
            if said.status != HTTPStatus.BAD_GATEWAY:
                return said
            await asyncio.sleep(self.try_again_s)
        return said

    async def _ask(self, task: Task) -> Said:
        headers = self.own.headers(task.tenant_id) | {"Content-Type": "application/json"}
        headers[PRIORITY_HEADER] = Priority.BATCH.value
        # It waits for its turn for as long as others are before it.
        timeout = aiohttp.ClientTimeout(total=None)
        async with self.session.post(self.url + task.path, data=task.body, headers=headers, timeout=timeout) as answer:
            if answer.status in _LATER:
                return Said(answer.status, later_s=_pause_s(answer.headers.get("Retry-After", "")))
            body = await wire.read_at_most(answer.content, MAX_ANSWER_BYTES)
        if body is None:
            return Said(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _error("the answer is longer than 1 MiB"))
        return Said(answer.status, body.decode(errors="replace"))


def _pause_s(retry_after: str) -> int:
    return min(LONGEST_PAUSE_S, max(1, int(retry_after))) if retry_after.isdecimal() else PAUSE_S


def _error(text: str) -> str:
    return json.dumps({"error": text})
