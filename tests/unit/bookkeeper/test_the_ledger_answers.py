"""`insula ledger` as a whole, on a database in a file: starts, books, tells, waits for a database that is away."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from insula.bookkeeper.main import Settings, read_url, serve
from insula.domain.errors import NotFoundError
from insula.domain.inference import Priority
from insula.domain.usage import Account, Amount, Flush

ALICE = "0b5e7f3c-4e0f-4c58-9d3e-1f2a3b4c5d6e"
TODAY = datetime.now(UTC).date()


def a_flush(sequence: int = 1, *, tenant: str = "alice", day: date = TODAY) -> Mapping[str, Any]:
    account = Account(ALICE, tenant, day, "m", Priority.INTERACTIVE)
    return Flush("me", sequence, {account: Amount(1_500_000_000, 1, 2, 1)}).to_document()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Ledger:
    def __init__(self, settings: Settings, client: aiohttp.ClientSession) -> None:
        self.url, self.admin = f"http://127.0.0.1:{settings.port}", f"http://127.0.0.1:{settings.admin_port}"
        self._client = client

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        async with self._client.request(method, self.url + path, **more) as response:
            return response.status, await response.json()

    async def becomes_ready(self, status: int = 200) -> None:
        async with asyncio.timeout(20):
            while True:
                if await self.readiness() == status:
                    return
                await asyncio.sleep(0.02)

    async def readiness(self) -> int:
        try:
            async with self._client.get(f"{self.admin}/readyz") as response:
                return response.status
        except aiohttp.ClientConnectorError:
            return 0

    async def metrics(self) -> str:
        async with self._client.get(f"{self.admin}/metrics") as response:
            return await response.text()


@asynccontextmanager
async def a_ledger(directory: Path) -> AsyncIterator[Ledger]:
    stop = asyncio.Event()
    settings = Settings(f"sqlite:///{directory / 'ledger.sqlite3'}", "127.0.0.1", free_port(), free_port())
    async with aiohttp.ClientSession() as client, asyncio.TaskGroup() as group:
        group.create_task(serve(settings, stop))
        try:
            yield Ledger(settings, client)
        finally:
            stop.set()


async def test_what_gateways_hand_in_is_told_to_people(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        await ledger.becomes_ready()
        status, told = await ledger.ask("POST", "/flush", json=a_flush())
        shared = told.pop("shared")
        assert (status, told) == (200, {"day": TODAY.isoformat(), "gpuNs": {ALICE: 1_500_000_000}})
        assert (await ledger.ask("POST", "/flush", json=a_flush(2)))[1]["shared"] == shared
        status, told = await ledger.ask("GET", "/usage")
        assert [entry["gpuNs"] for entry in told["entries"]] == [3_000_000_000]
        assert await ledger.ask("GET", "/totals") == (200, {"day": TODAY.isoformat(), "gpuNs": {ALICE: 3_000_000_000}})


async def test_a_flush_that_comes_again_is_confirmed_and_not_booked(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        await ledger.becomes_ready()
        answers = [await ledger.ask("POST", "/flush", json=a_flush()) for _ in range(2)]
        assert answers[0] == answers[1]
        assert 'insula_ledger_flushes_total{result="again"} 1.0' in await ledger.metrics()


async def test_what_was_booked_is_there_after_a_restart(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        await ledger.becomes_ready()
        await ledger.ask("POST", "/flush", json=a_flush())
    async with a_ledger(tmp_path) as ledger:
        await ledger.becomes_ready()
        _, told = await ledger.ask("GET", "/totals")
        assert told["gpuNs"] == {ALICE: 1_500_000_000}


async def test_usage_is_told_of_one_home_since_a_day(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        await ledger.becomes_ready()
        before = TODAY - timedelta(days=30)
        await ledger.ask("POST", "/flush", json=a_flush(1, day=before))
        await ledger.ask("POST", "/flush", json=a_flush(2, tenant="bob"))
        assert [entry["tenant"] for entry in (await ledger.ask("GET", "/usage"))[1]["entries"]] == ["bob"]
        query = {"since": before.isoformat(), "tenant": "alice"}
        assert [entry["day"] for entry in (await ledger.ask("GET", "/usage", params=query))[1]["entries"]] == [
            before.isoformat()
        ]


@pytest.mark.parametrize("body", ["", "{}", '{"writer":"me","sequence":0,"entries":[]}', "[[[["])
async def test_what_is_no_flush_is_refused(body: str, tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        await ledger.becomes_ready()
        status, told = await ledger.ask("POST", "/flush", data=body)
        assert status == 400
        assert "no flush" in told["error"]


async def test_a_day_that_is_none_is_refused(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        await ledger.becomes_ready()
        status, told = await ledger.ask("GET", "/usage?since=yesterday")
        assert (status, "2026-11-01" in told["error"]) == (400, True)


async def test_a_database_that_is_away_is_waited_for(tmp_path: Path) -> None:
    directory = tmp_path / "volume"
    async with a_ledger(directory) as ledger:
        await ledger.becomes_ready(503)
        status, told = await ledger.ask("POST", "/flush", json=a_flush())
        assert (status, "database" in told["error"]) == (503, True)
        directory.mkdir()
        await ledger.becomes_ready()
        assert (await ledger.ask("POST", "/flush", json=a_flush()))[0] == 200


def test_the_databases_url_is_read_from_a_file_and_is_that_of_a_volume_without_one(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://insula@db/insula\n")
    assert read_url(file) == "postgresql://insula@db/insula"
    assert read_url(None).startswith("sqlite:////")
    with pytest.raises(NotFoundError, match="Secret"):
        read_url(tmp_path / "nothing")
