import io
import json
import logging
from typing import Any

import structlog
from gateway_house import ALICE

from insula.services import logs
from insula.services.keys import SigningKeys

KEY = SigningKeys.generate().tenant_key(ALICE, 1)
SECRET_PART = KEY.rpartition(".")[2]


def written(event: str = "tenant_seen", **fields: Any) -> str:
    stream = io.StringIO()
    logs.configure(json=True, stream=stream)
    structlog.get_logger().info(event, **fields)
    return stream.getvalue()


def test_an_event_is_one_json_object_with_level_and_time() -> None:
    line = json.loads(written(tenant="alice", idle_s=3600))
    assert (line["event"], line["tenant"], line["idle_s"], line["level"]) == ("tenant_seen", "alice", 3600, "info")
    assert line["timestamp"].endswith("Z")


def test_a_tenants_key_is_unreadable_wherever_it_stands() -> None:
    text = written(f"saw {KEY}", path=f"/t/{KEY}/api/chat", deep={"list": [KEY, {"x": KEY}]}, error=ValueError(KEY))
    assert SECRET_PART not in text
    assert ALICE in text


def test_a_field_that_names_a_secret_is_hidden_whole() -> None:
    line = json.loads(written(password="hunter2", deep={"token": "hunter2"}, key="hunter2", monkey="fine"))
    assert (line["password"], line["key"], line["monkey"]) == ("[redacted]", "[redacted]", "fine")
    assert "hunter2" not in json.dumps(line)


def test_bearer_and_web_tokens_are_unreadable() -> None:
    text = written(
        header="Authorization: Bearer abcdefghijkl",
        bare="basic\tabcdefghijkl",
        jwt="eyJhbGciOi12.eyJzdWIiOi12.c2lnbmF0dXJl",
    )
    assert "abcdefghijkl" not in text
    assert "c2lnbmF0dXJl" not in text


def test_an_exceptions_text_is_cleaned_too() -> None:
    stream = io.StringIO()
    logs.configure(json=True, stream=stream)
    try:
        int(KEY)
    except ValueError:
        structlog.get_logger().exception("request_failed")
    assert "ValueError" in stream.getvalue()
    assert SECRET_PART not in stream.getvalue()


def test_a_librarys_warning_comes_out_in_the_same_form() -> None:
    stream = io.StringIO()
    logs.configure(json=True, stream=stream)
    logging.getLogger("some.library").warning("took %s", KEY)
    line = json.loads(stream.getvalue())
    assert line["logger"] == "some.library"
    assert SECRET_PART not in stream.getvalue()


def test_the_context_of_a_request_is_on_its_events_and_not_after() -> None:
    stream = io.StringIO()
    logs.configure(json=True, stream=stream)
    with logs.context(tenant="alice", request_id="r1"):
        structlog.get_logger().info("inside")
    structlog.get_logger().info("outside")
    inside, outside = map(json.loads, stream.getvalue().splitlines())
    assert (inside["tenant"], inside["request_id"]) == ("alice", "r1")
    assert "tenant" not in outside


def test_events_below_the_level_are_not_written() -> None:
    stream = io.StringIO()
    logs.configure(json=True, level="WARNING", stream=stream)
    structlog.get_logger().info("nothing")
    assert stream.getvalue() == ""
