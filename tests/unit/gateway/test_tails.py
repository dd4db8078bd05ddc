import json

from gateway_house import LAST_LINE
from hypothesis import given
from hypothesis import strategies as st

from insula.gateway.tails import TAIL_BYTES, Figures, Tail, figures


def tail_of(*chunks: bytes) -> bytes:
    tail = Tail()
    for chunk in chunks:
        tail.feed(chunk)
    return bytes(tail)


@given(st.lists(st.binary(max_size=3 * TAIL_BYTES), max_size=12))
def test_a_tail_is_the_end_of_what_was_fed(chunks: list[bytes]) -> None:
    assert tail_of(*chunks) == b"".join(chunks)[-TAIL_BYTES:]


def test_the_last_line_of_a_stream_has_the_figures() -> None:
    seen = figures(b'{"done":false}\n' + json.dumps(LAST_LINE).encode() + b"\n")
    assert seen == Figures("gemma3:270m", 12, 34, 1_500_000_000, 100_000_000, 200_000_000, 1_200_000_000)


def test_a_unary_answer_has_the_figures_too() -> None:
    assert figures(json.dumps(LAST_LINE, indent=2).encode().replace(b"\n", b"")).eval_count == 34


def test_the_usage_of_server_sent_events_is_read() -> None:
    chunk = {"model": "m", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
    seen = figures(b'data: {"choices":[{}]}\n\ndata: ' + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n")
    assert (seen.model, seen.prompt_eval_count, seen.eval_count) == ("m", 3, 4)


def test_figures_are_found_behind_a_context_that_is_longer_than_the_tail() -> None:
    line = {"model": "m", "done": True, "context": list(range(5000)), "eval_count": 7, "eval_duration": 2_000_000_000}
    seen = figures(tail_of(json.dumps(line).encode() + b"\n"))
    assert (seen.eval_count, seen.compute_s) == (7, 2.0)


def test_words_of_the_model_are_not_taken_for_figures() -> None:
    said = json.dumps({"response": '"eval_count": 99', "x": "y" * 10}).encode()[5:]
    assert figures(said).eval_count is None


@given(st.binary(max_size=400))
def test_any_bytes_can_be_looked_at(tail: bytes) -> None:
    figures(tail)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_any_value_in_the_place_of_a_figure_is_borne(value: object) -> None:
    figures(json.dumps({"model": value, "eval_count": value, "total_duration": value, "usage": value}).encode())


def test_an_end_that_is_nested_without_end_has_no_figures() -> None:
    assert figures(b"[" * TAIL_BYTES) == Figures()
    assert figures(b'{"a":' * 1000) == Figures()
