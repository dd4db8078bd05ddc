import json

import pytest

from insula.contract.batches import lines_from_jsonl
from insula.domain.batches import MAX_LINES, Line
from insula.domain.errors import InvalidSpecError
from insula.gateway import paths
from insula.gateway.paths import Handling

GOOD = {"custom_id": "a", "url": "/api/chat", "body": {"model": "m"}}


def upload(*lines: object) -> bytes:
    return b"\n".join(json.dumps(line).encode() for line in lines) + b"\n"


def test_a_line_is_answered_in_one_piece_whatever_it_says() -> None:
    streaming = GOOD | {"custom_id": "b", "method": "POST", "body": {"model": "m", "stream": True}}
    assert lines_from_jsonl(upload(GOOD) + b"\n \n" + upload(streaming)) == [
        Line("a", "/api/chat", '{"model": "m", "stream": false}'),
        Line("b", "/api/chat", '{"model": "m", "stream": false}'),
    ]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"url": "/api/pull"}, "line 1: url"),
        ({"url": "/api/batch"}, "line 1: url"),
        ({"body": "text"}, "line 1: body"),
        ({"custom_id": ""}, "line 1: custom_id"),
        ({"custom_id": "a\x00"}, "zero byte"),
        ({"method": "GET"}, "line 1: method"),
        ({"more": 1}, "there is no such field"),
    ],
)
def test_a_line_that_is_no_prompt_is_refused_with_its_number(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidSpecError, match=words):
        lines_from_jsonl(upload(GOOD | wrong))


@pytest.mark.parametrize("text", [b"", b"\n\n", b"{", b"\xff\xfe", b"[]", b"null", b"[" * 10_000])
def test_what_holds_no_lines_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidSpecError):
        lines_from_jsonl(text)


def test_two_lines_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidSpecError, match="line 2"):
        lines_from_jsonl(upload(GOOD, GOOD))


def test_more_lines_than_a_batch_has_are_refused() -> None:
    with pytest.raises(InvalidSpecError, match=str(MAX_LINES)):
        lines_from_jsonl(upload(*(GOOD | {"custom_id": str(number)} for number in range(MAX_LINES + 1))))


@pytest.mark.parametrize(
    "path", ["/api/chat", "/api/generate", "/api/embed", "/api/embeddings", "/v1/chat/completions"]
)
def test_what_a_batch_may_ask_the_gateway_answers_with_a_model(path: str) -> None:
    assert lines_from_jsonl(upload(GOOD | {"url": path}))
    endpoint = paths.find("POST", path)
    assert endpoint is not None
    assert endpoint.handling is Handling.INFER
