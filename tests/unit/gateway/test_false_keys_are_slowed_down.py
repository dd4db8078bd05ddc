"""Who comes with false keys again and again is told to slow down; who has a true one never is."""

from gateway_house import BOB, House, a_home_slice, a_house
from hypothesis import given
from hypothesis import strategies as st

from insula.gateway.errors import TooManyFailuresError, UnauthorizedError
from insula.gateway.failed_keys import BURST, EVERY_S, FailedKeys

FALSE = UnauthorizedError("no")


async def statuses(house: House, count: int, *, key: str = "false") -> list[int]:
    found = []
    for _ in range(count):
        async with house.ask("GET", "/api/tags", key=key) as response:
            found.append(response.status)
    return found


async def test_after_many_false_keys_an_address_is_told_when_to_come_again() -> None:
    async with a_house() as house:
        assert set(await statuses(house, BURST)) == {401}
        async with house.ask("GET", "/v1/models", key="false") as response:
            assert response.status == 429
            assert int(response.headers["Retry-After"]) > 0
            assert (await response.json())["error"]["code"] == "rate_limit_exceeded"


async def test_a_true_key_from_the_same_address_opens_meanwhile() -> None:
    async with a_house() as house:
        assert (await statuses(house, BURST + 2))[-1] == 429
        assert await statuses(house, 3, key=house.key) == [200] * 3
        assert (await statuses(house, 1))[-1] == 429


async def test_a_key_that_is_used_from_another_home_counts_as_false() -> None:
    async with a_house() as house:
        house.directory.put_slice(a_home_slice("bob", "127.0.0.1"))
        assert (await statuses(house, BURST + 1, key=house.key))[-1] == 429
        async with house.ask("GET", "/api/ps", key=house.signing.tenant_key(BOB, 1)) as response:
            assert response.status == 200


async def test_a_flood_of_false_keys_is_counted_and_fills_no_log() -> None:
    async with a_house() as house:
        await statuses(house, BURST + 50)
        assert len(house.logged()) == BURST
        labels = {"endpoint": "none", "status": "429"}
        assert house.registry.get_sample_value("insula_gateway_requests_total", labels) == 50


def test_a_home_whose_key_was_retired_is_told_so_for_ever() -> None:
    now = 0.0
    failed = FailedKeys(lambda: now)
    for _ in range(1000):
        assert failed.note("10.0.0.1", FALSE) is FALSE
        now += 5.0


@given(st.lists(st.floats(0, 5), max_size=300))
def test_no_more_is_let_through_than_the_burst_and_one_each_time(pauses: list[float]) -> None:
    now = 0.0
    failed = FailedKeys(lambda: now)
    let_through = 0
    for pause in pauses:
        now += pause
        let_through += failed.note("10.0.0.1", FALSE) is FALSE
    assert let_through <= BURST + now / EVERY_S


def test_who_waits_as_long_as_told_is_told_the_truth_again() -> None:
    now = 0.0
    failed = FailedKeys(lambda: now)
    while not isinstance(told := failed.note("10.0.0.1", FALSE), TooManyFailuresError):
        pass
    assert told.retry_after_s is not None
    now += told.retry_after_s
    assert failed.note("10.0.0.1", FALSE) is FALSE


def test_one_address_slows_down_no_other_and_only_so_many_are_remembered() -> None:
    failed = FailedKeys(lambda: 0.0, kept=2)
    for _ in range(BURST + 1):
        failed.note("10.0.0.1", FALSE)
    assert failed.note("10.0.0.2", FALSE) is FALSE
    assert failed.note("10.0.0.1", FALSE) is not FALSE
    failed.note("10.0.0.3", FALSE)
    failed.note("10.0.0.4", FALSE)
    assert failed.note("10.0.0.1", FALSE) is FALSE  # forgotten, as if it had never come
