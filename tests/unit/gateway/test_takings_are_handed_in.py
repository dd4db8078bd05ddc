from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date

import aiohttp
import pytest
from aiohttp import web
from gateway_house import ALICE, BOB, serving
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from insula.contract import bookings
from insula.domain.inference import Priority
from insula.domain.usage import Account, Amount, Flush
from insula.gateway.handing_in import HandingIn
from insula.gateway.takings import Takings
from insula.ledger.client import LedgerClient
from insula.ledger.database import Database
from insula.ledger.usage import UsageBook

DAY = date(2026, 11, 25)
SECOND = Amount(1_000_000_000, 1, 2, 1)


def an_account(tenant_id: str = ALICE, model: str = "m", day: date = DAY) -> Account:
    return Account(tenant_id, "alice", day, model, Priority.INTERACTIVE)


@asynccontextmanager
async def handing_in(takings: Takings, url: str, now: float = 0.0) -> AsyncIterator[HandingIn]:
    async with aiohttp.ClientSession() as session:
        yield HandingIn(takings, LedgerClient(session, url), CollectorRegistry(), lambda: now)


def test_a_flush_reads_back_as_it_was_written() -> None:
    takings = Takings("me")
    takings.add(an_account(), SECOND)
    takings.add(an_account(BOB, model=""), SECOND)
    flush = takings.flush()
    assert bookings.HandedIn.model_validate(flush.to_document()).to_domain() == flush


def test_what_was_not_confirmed_is_handed_in_again_as_it_was() -> None:
    takings = Takings("me")
    takings.add(an_account(), SECOND)
    first = takings.flush()
    takings.add(an_account(), SECOND)
    assert takings.flush() == first
    takings.confirm(DAY, {ALICE: SECOND.gpu_ns})
    assert takings.flush() == Flush("me", 2, {an_account(): SECOND})


def test_what_is_used_is_what_was_told_and_what_was_counted_since() -> None:
    takings = Takings("me")
    takings.add(an_account(), SECOND)
    assert takings.used_ns(ALICE, DAY) == 1_000_000_000
    takings.flush()
    takings.add(an_account(), SECOND)
    assert takings.used_ns(ALICE, DAY) == 2_000_000_000
    takings.confirm(DAY, {ALICE: 5_000_000_000})
    assert takings.used_ns(ALICE, DAY) == 6_000_000_000
    assert takings.used_ns(BOB, DAY) == 0
    assert takings.used_ns(ALICE, date(2026, 11, 26)) == 0


def test_sums_that_wait_long_forget_which_model_it_was_and_nothing_else() -> None:
    takings = Takings("me", max_accounts=2)
    for number in range(5):
        takings.add(an_account(model=f"m{number}"), SECOND)
    assert set(takings.flush().sums) == {an_account(model="m0"), an_account(model="m1"), an_account(model="")}
    assert takings.unconfirmed == Amount(5_000_000_000, 5, 10, 5)


async def test_a_ledger_that_is_away_is_caught_up_with() -> None:
    takings = Takings("me")
    takings.add(an_account(), SECOND)
    async with handing_in(takings, "http://127.0.0.1:9") as nobody:
        assert not await nobody.once()
    taken: list[Flush] = []

    async def take(request: web.Request) -> web.Response:
        taken.append(bookings.flush_from_json(await request.read()))
        return web.json_response({"day": DAY.isoformat(), "gpuNs": {ALICE: 7}})

    application = web.Application()
    application.router.add_post("/flush", take)
    takings.add(an_account(), SECOND)
    async with serving(application) as port, handing_in(takings, f"http://127.0.0.1:{port}") as somebody:
        await somebody.last()
    assert [flush.sums[an_account()] for flush in taken] == [SECOND, SECOND]
    assert takings.used_ns(ALICE, DAY) == 7


@pytest.mark.parametrize("body", ["", "[]", '{"day": 3}', '{"day": "2026-11-25"}'])
async def test_an_answer_that_is_none_confirms_nothing(body: str) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=body)

    application = web.Application()
    application.router.add_post("/flush", answer)
    takings = Takings("me")
    takings.add(an_account(), SECOND)
    async with serving(application) as port, handing_in(takings, f"http://127.0.0.1:{port}") as ledger:
        assert not await ledger.once()
    assert takings.unconfirmed == SECOND


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from([ALICE, BOB]),
            st.integers(0, 5),
            st.sampled_from(["booked", "answer lost", "away", "not yet", "killed"]),
        ),
        max_size=20,
    )
)
async def test_whatever_fails_nothing_is_booked_twice_and_only_what_was_unconfirmed_is_lost(
    steps: list[tuple[str, int, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite3"
    database = Database(f"sqlite:///{path}")
    await database.migrate()
    book, counted, may_be_lost, run = UsageBook(database), 0, 0, 0
    takings = Takings("run-0")
    for tenant_id, seconds, what in [*steps, (ALICE, 0, "booked"), (ALICE, 0, "booked")]:
        takings.add(an_account(tenant_id), Amount(gpu_ns=seconds, requests=1))
        counted += seconds
        if what == "killed":
            may_be_lost += takings.unconfirmed.gpu_ns
            run += 1
            takings = Takings(f"run-{run}")
        elif what in ("booked", "answer lost"):
            await book.book(takings.flush(), today=DAY)
            if what == "booked":
                takings.confirm(DAY, await book.day_totals(DAY))
    total = sum((await book.day_totals(DAY)).values())
    assert counted - may_be_lost <= total <= counted
    assert takings.unconfirmed == Amount()
    await database.close()
