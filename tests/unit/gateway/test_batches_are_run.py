"""Batches from a home's upload to its results: the gateway, its runner, and the ledger with its database."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from gateway_house import ALICE, BOB, LAST_LINE, FakeOllama, House, a_house, a_namespace, serving
from prometheus_client import CollectorRegistry

from insula.bookkeeper import batches as keeping
from insula.bookkeeper.server import Bookkeeper
from insula.domain.inference import Inference, Priority
from insula.gateway.batches import KeptBatches
from insula.gateway.errors import UnauthorizedError
from insula.gateway.metering import Metered
from insula.gateway.passes import HEADER, Pass
from insula.gateway.running import Runner
from insula.gateway.takings import Takings
from insula.gateway.tenants import WatchedDirectory
from insula.ledger.batches import BatchStore
from insula.ledger.client import LedgerClient
from insula.ledger.database import Database
from insula.ledger.usage import UsageBook

ANSWER = json.dumps(LAST_LINE).encode()


def an_ollama(**more: Any) -> FakeOllama:
    return FakeOllama(chunks=[ANSWER], content_type="application/json", **more)


def upload(names: Iterable[str] = ("a", "b")) -> bytes:
    lines = ({"custom_id": name, "url": "/api/chat", "body": {"model": "m", "messages": [name]}} for name in names)
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


@dataclass
class World:
    house: House
    ledger: LedgerClient
    own: Pass
    takings: Takings

    async def ask(self, method: str, path: str = "", *, key: str | None = None, **more: Any) -> tuple[int, Any]:
        async with self.house.ask(method, f"/api/batch{path}", key=key, **more) as response:
            text = await response.text()
            is_lines = response.content_type == "application/x-ndjson"
            return response.status, [json.loads(line) for line in text.splitlines()] if is_lines else json.loads(text)

    async def submitted(self, names: Iterable[str] = ("a", "b")) -> str:
        status, told = await self.ask("POST", data=upload(names))
        assert status == 202, told
        return f"/{told['id']}"

    @asynccontextmanager
    async def running(self, name: str = "me") -> AsyncIterator[None]:
        runner = Runner(self.ledger, self.ledger.session, self.house.url, self.own, name, try_again_s=0.01)
        task = asyncio.create_task(runner.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def becomes(self, batch: str, status: str) -> Mapping[str, Any]:
        async with asyncio.timeout(20):
            while True:
                _, told = await self.ask("GET", batch)
                if told.get("status") == status:
                    return dict(told)
                await asyncio.sleep(0.02)


@asynccontextmanager
async def a_world(
    directory: Path, ollama: FakeOllama | None = None, plan: Inference | None = None
) -> AsyncIterator[World]:
    database = Database(f"sqlite:///{directory / 'ledger.sqlite3'}")
    await database.migrate()
    keeper = Bookkeeper(UsageBook(database), keeping.Batches(BatchStore(database)), CollectorRegistry())
    own, takings = Pass(), Takings("me")
    async with serving(keeper.application()) as port, aiohttp.ClientSession() as session:
        ledger = LedgerClient(session, f"http://127.0.0.1:{port}")
        batches, meter = KeptBatches(ledger, lambda: None), Metered(takings)
        async with a_house(ollama or an_ollama(), batches=batches, own=own, meter=meter, inference=plan) as house:
            yield World(house, ledger, own, takings)
    await database.close()


async def test_a_batch_is_answered_line_by_line_in_its_own_class(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        batch = await world.submitted()
        assert (await world.ask("GET", batch))[1]["status"] == "queued"
        async with world.running():
            told = await world.becomes(batch, "completed")
        assert told["request_counts"] == {"total": 2, "completed": 2, "failed": 0}
        _, results = await world.ask("GET", f"{batch}/results")
        assert results == [
            {"custom_id": name, "response": {"status_code": 200, "body": LAST_LINE}, "error": None} for name in "ab"
        ]
        assert [json.loads(body)["messages"] for body in world.house.ollama.bodies] == [["a"], ["b"]]
        assert all(json.loads(body)["stream"] is False for body in world.house.ollama.bodies)
        ((account, amount),) = world.takings.flush().sums.items()
        assert (account.tenant_id, account.priority, amount.requests) == (ALICE, Priority.BATCH, 2)


async def test_a_line_that_is_refused_leaves_its_error_and_the_others_go_on(tmp_path: Path) -> None:
    class Choosy(FakeOllama):
        async def handle(self, request: web.Request) -> web.StreamResponse:
            refused = b'"a"' in await request.read()
            return web.json_response({"error": "no"} if refused else LAST_LINE, status=404 if refused else 200)

    async with a_world(tmp_path, Choosy()) as world:
        batch = await world.submitted()
        async with world.running():
            told = await world.becomes(batch, "completed")
        assert told["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
        _, results = await world.ask("GET", f"{batch}/results")
        assert [result["response"]["status_code"] for result in results] == [404, 200]


async def test_a_runner_that_goes_lets_its_batch_go_and_another_finishes_it(tmp_path: Path) -> None:
    ollama = an_ollama(gate=asyncio.Event())
    async with a_world(tmp_path, ollama) as world:
        batch = await world.submitted(["a"])
        async with world.running("one"):
            await asyncio.wait_for(ollama.started.wait(), 10)
        await asyncio.wait_for(ollama.abandoned.wait(), 10)
        assert (await world.ask("GET", batch))[1]["status"] == "queued"
        assert ollama.gate is not None
        ollama.gate.set()
        async with world.running("two"):
            await world.becomes(batch, "completed")
        assert len(ollama.bodies) == 2


async def test_an_answer_that_breaks_off_is_asked_for_again_and_not_for_ever(tmp_path: Path) -> None:
    ollama = an_ollama(break_off=True)
    ollama.chunks = [b'{"half']
    async with a_world(tmp_path, ollama) as world:
        batch = await world.submitted(["a"])
        async with world.running():
            told = await world.becomes(batch, "completed")
        assert told["request_counts"]["failed"] == 1
        assert len(ollama.bodies) == 3
        _, (result,) = await world.ask("GET", f"{batch}/results")
        assert result["response"]["status_code"] == 502


async def test_a_home_that_has_used_its_day_finds_its_batch_waiting(tmp_path: Path) -> None:
    async with a_world(tmp_path, plan=Inference(gpu_seconds_per_day=1)) as world:
        batch = await world.submitted()
        async with world.running():
            async with asyncio.timeout(20):
                while True:
                    _, told = await world.ask("GET", batch)
                    if told["status"] == "queued" and told["request_counts"]["completed"] == 1:
                        break
                    await asyncio.sleep(0.02)
        assert len(world.house.ollama.bodies) == 1


async def test_a_batch_that_is_cancelled_is_gone_with_its_results(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        batch = await world.submitted()
        assert await world.ask("DELETE", batch) == (200, {"id": batch[1:], "status": "cancelled"})
        assert (await world.ask("GET", batch))[0] == 404
        assert (await world.ask("GET", f"{batch}/results"))[0] == 404
        assert (await world.ask("GET"))[1] == {"batches": []}


async def test_a_batch_is_nobody_elses(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        batch = await world.submitted()
        bob = world.house.signing.tenant_key(BOB, 1)
        for method, path in (("GET", batch), ("GET", f"{batch}/results"), ("DELETE", batch)):
            assert (await world.ask(method, path, key=bob))[0] == 404
        assert (await world.ask("GET", key=bob))[1] == {"batches": []}
        assert [told["id"] for told in (await world.ask("GET"))[1]["batches"]] == [batch[1:]]


async def test_what_is_no_batch_is_refused_and_what_is_too_long_too(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        status, told = await world.ask("POST", data=b"{}\n")
        assert (status, "line 1" in told["error"]) == (400, True)
        assert (await world.ask("POST", data=io.BytesIO(b"x" * (4 * 1024 * 1024 + 1))))[0] == 413


async def test_batches_are_away_while_the_ledger_is() -> None:
    async with aiohttp.ClientSession() as session:
        nobody = KeptBatches(LedgerClient(session, "http://127.0.0.1:9"), lambda: None)
        async with a_house(batches=nobody) as house, house.ask("GET", "/api/batch") as response:
            assert response.status == 503
            assert response.headers["Retry-After"] == "10"


async def test_a_gateway_without_a_ledger_keeps_no_batches() -> None:
    async with a_house() as house, house.ask("POST", "/api/batch", data=upload()) as response:
        assert response.status == 503


@pytest.mark.parametrize("method_path", [("PUT", "/api/batch"), ("DELETE", "/api/batch"), ("GET", "/api/batch/x")])
async def test_nothing_else_of_batches_is_open(method_path: tuple[str, str]) -> None:
    method, path = method_path
    async with a_house() as house, house.ask(method, path) as response:
        assert response.status == 403


async def test_a_pass_that_is_not_the_gateways_own_opens_nothing() -> None:
    async with a_house(own=Pass("right")) as house:
        for said, status in (
            (f"{ALICE} wrong", 401),
            (ALICE, 401),
            ("", 401),
            ("nobody right", 401),
            (f"{ALICE} right", 200),
        ):
            async with house.client.get(house.url + "/api/tags", headers={HEADER: said}) as response:
                assert response.status == status


async def test_a_key_may_come_in_a_header_of_its_own() -> None:
    async with a_house() as house:
        async with house.client.get(house.url + "/api/tags", headers={"X-Api-Key": house.key}) as response:
            assert response.status == 200
        both = {"X-Api-Key": house.key, "Authorization": "Bearer wrong"}
        async with house.client.get(house.url + "/api/tags", headers=both) as response:
            assert response.status == 401


def test_gateways_know_each_other_by_what_the_ledger_tells_and_for_a_moment_by_what_it_told() -> None:
    one, other, directory = Pass(), Pass(), WatchedDirectory()
    directory.replace_namespaces([a_namespace("alice", ALICE)])
    for gateway in (one, other):
        gateway.learn("first")
    assert other.route(one.headers(ALICE), directory) == directory.find(ALICE)
    other.learn("second")
    assert other.route(one.headers(ALICE), directory) == directory.find(ALICE)
    other.learn("third")
    with pytest.raises(UnauthorizedError):
        other.route(one.headers(ALICE), directory)
    assert "first" not in repr(one)
