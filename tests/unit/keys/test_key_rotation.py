from datetime import UTC, datetime, timedelta

import pytest

from insula.domain.key_rotation import DEFAULT_GRACE_S, MAX_GRACE_S, Grace, Request

NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_a_grace_covers_older_keys_until_its_end_and_not_at_it() -> None:
    grace = Grace(2, NOW + MINUTE)
    assert grace.covers(2, NOW)
    assert not grace.covers(1, NOW)
    assert not grace.covers(2, NOW + MINUTE)


def test_a_grace_is_read_back_as_it_was_written() -> None:
    grace = Grace(3, NOW)
    assert grace.to_text() == "3/2026-11-25T12:00:00Z"
    assert Grace.from_text(grace.to_text()) == grace


@pytest.mark.parametrize("text", ["", "1", "/2026-11-25T12:00:00Z", "x/2026-11-25T12:00:00Z", "1/soon", "1/2026-11-25"])
def test_a_spoilt_grace_opens_nothing(text: str) -> None:
    assert Grace.from_text(text) == Grace()
    assert not Grace.from_text(text).covers(1, NOW)


def test_a_request_is_read_back_as_it_was_written() -> None:
    request = Request(NOW, 90)
    assert Request.from_text(request.to_text()) == request


@pytest.mark.parametrize(
    ("text", "grace_s"),
    [
        ("2026-11-25T12:00:00Z", DEFAULT_GRACE_S),
        ("2026-11-25T12:00:00Z/0", 0),
        ("2026-11-25T12:00:00Z/999999999", MAX_GRACE_S),
    ],
)
def test_a_request_says_how_long_the_old_key_opens(text: str, grace_s: int) -> None:
    request = Request.from_text(text)
    assert request is not None
    assert request.grace_s == grace_s


@pytest.mark.parametrize(
    "text", ["", "please", "2026-11-25T12:00:00", "2026-11-25T12:00:00Z/", "2026-11-25T12:00:00Z/-1"]
)
def test_what_is_no_request_is_none(text: str) -> None:
    assert Request.from_text(text) is None


def test_no_grace_kills_all_older_keys() -> None:
    assert Request(NOW, 0).grace(4, Grace(3, NOW + MINUTE), NOW) == Grace()


def test_a_second_rotation_within_the_grace_keeps_the_key_that_the_home_still_has() -> None:
    assert Request(NOW, 60).grace(2, Grace(1, NOW + MINUTE), NOW) == Grace(1, NOW + MINUTE)


def test_a_rotation_after_the_grace_does_not_revive_the_key_before() -> None:
    assert Request(NOW, 60).grace(2, Grace(1, NOW), NOW) == Grace(2, NOW + MINUTE)
