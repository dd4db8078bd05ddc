"""A whole answer gives every form that a client may ask for, and each says what the model said."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_which_answers_are_kept import a_prompt

from insula.gateway import replaying
from insula.gateway.prompts import Prompt
from insula.gateway.replaying import Whole

WORDS = st.lists(st.text(st.characters(codec="utf-8"), max_size=8), min_size=1, max_size=6)
COUNTS = {"total_duration": 5, "prompt_eval_count": 7, "eval_count": 3}
HEAD = {"model": "m", "created_at": "2026-01-01T00:00:00Z"}
OPENAI_HEAD = {"id": "chatcmpl-1", "created": 1, "model": "m", "system_fingerprint": "fp_ollama"}
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def lines(parts: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(part).encode() + b"\n" for part in parts)


def events(parts: list[dict[str, Any]]) -> bytes:
    return b"".join(b"data: " + json.dumps(part).encode() + b"\n\n" for part in parts) + b"data: [DONE]\n\n"


def a_chat(words: list[str], thoughts: list[str], reason: str = "stop") -> bytes:
    said = [{"thinking": text, "content": ""} for text in thoughts] + [{"content": text} for text in words]
    parts = [{**HEAD, "message": {"role": "assistant", **part}, "done": False} for part in said]
    end = {**HEAD, "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": reason, **COUNTS}
    return lines([*parts, end])


def a_generation(words: list[str]) -> bytes:
    parts = [{**HEAD, "response": word, "done": False} for word in words]
    return lines([*parts, {**HEAD, "response": "", "done": True, "done_reason": "stop", "context": [1], **COUNTS}])


def an_openai_chat(words: list[str], *, usage: bool, reason: str = "stop") -> bytes:
    head = {**OPENAI_HEAD, "object": "chat.completion.chunk"}
    deltas: list[tuple[Any, Any]] = [({"role": "assistant", "content": word}, None) for word in words]
    deltas.append(({"role": "assistant", "content": ""}, reason))
    parts = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": end}]} for delta, end in deltas]
    return events([*parts, *([{**head, "choices": [], "usage": USAGE}] if usage else [])])


def told(whole: Whole | None, prompt: Prompt) -> bytes:
    assert whole is not None
    form = replaying.write(whole, prompt)
    assert form is not None
    return form.body


def said(stream: bytes, *names: str) -> str:
    texts = []
    for line in stream.splitlines():
        part = json.loads(line)
        for name in names:
            part = part.get(name) or ""
        texts.append(part)
    return "".join(texts)


@given(WORDS, st.just([]) | WORDS)
def test_a_streamed_chat_is_told_whole_and_streamed_as_the_model_said_it(words: list[str], thoughts: list[str]) -> None:
    streaming, unary = a_prompt(), a_prompt(stream=False)
    whole = replaying.read(streaming, a_chat(words, thoughts))
    document = json.loads(told(whole, unary))
    assert document["message"]["content"] == "".join(words)
    assert document["message"].get("thinking", "") == "".join(thoughts)
    assert (document["done"], document["done_reason"], document["eval_count"]) == (True, "stop", 3)
    again = told(whole, streaming)
    assert said(again, "message", "content") == "".join(words)
    assert said(again, "message", "thinking") == "".join(thoughts)
    assert json.loads(again.splitlines()[-1])["done"] is True
    assert all(json.loads(line)["done"] is False for line in again.splitlines()[:-1])


@given(WORDS)
def test_a_chat_that_came_whole_is_told_byte_for_byte_and_streamed(words: list[str]) -> None:
    streaming, unary = a_prompt(), a_prompt(stream=False)
    body = told(replaying.read(streaming, a_chat(words, [])), unary)
    whole = replaying.read(unary, body + b"  ")
    assert told(whole, unary) == body + b"  "
    assert said(told(whole, streaming), "message", "content") == "".join(words)


@given(WORDS)
def test_a_generation_is_told_whole_and_streamed(words: list[str]) -> None:
    streaming, unary = a_prompt("/api/generate"), a_prompt("/api/generate", stream=False)
    whole = replaying.read(streaming, a_generation(words))
    document = json.loads(told(whole, unary))
    assert (document["response"], document["context"]) == ("".join(words), [1])
    assert said(told(whole, streaming), "response") == "".join(words)


@given(WORDS)
def test_openais_stream_with_what_was_used_gives_every_form(words: list[str]) -> None:
    counting = a_prompt("/v1/chat/completions", stream=True, stream_options={"include_usage": True})
    streaming, unary = a_prompt("/v1/chat/completions", stream=True), a_prompt("/v1/chat/completions")
    whole = replaying.read(counting, an_openai_chat(words, usage=True))
    document = json.loads(told(whole, unary))
    assert document["object"] == "chat.completion"
    assert document["choices"][0]["message"] == {"role": "assistant", "content": "".join(words)}
    assert document["usage"] == USAGE
    for prompt, ends in ((counting, USAGE), (streaming, None)):
        events = told(whole, prompt).split(b"\n\n")
        assert events[-2:] == [b"data: [DONE]", b""]
        chunks = [json.loads(event.removeprefix(b"data: ")) for event in events[:-2]]
        assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
        deltas = [choice["delta"]["content"] for chunk in chunks for choice in chunk["choices"]]
        assert "".join(deltas) == "".join(words)
        assert chunks[-1].get("usage") == ends


def test_openais_stream_that_tells_nothing_used_gives_only_such_streams() -> None:
    streaming = a_prompt("/v1/chat/completions", stream=True)
    whole = replaying.read(streaming, an_openai_chat(["a"], usage=False))
    assert whole is not None
    assert replaying.write(whole, streaming) is not None
    assert replaying.write(whole, a_prompt("/v1/chat/completions")) is None
    counting = a_prompt("/v1/chat/completions", stream=True, stream_options={"include_usage": True})
    assert replaying.write(whole, counting) is None


def test_openais_completion_is_told_whole_and_streamed() -> None:
    unary, streaming = a_prompt("/v1/completions"), a_prompt("/v1/completions", stream=True)
    choice = {"text": "a", "index": 0, "finish_reason": "stop"}
    body = json.dumps({**OPENAI_HEAD, "object": "text_completion", "choices": [choice], "usage": USAGE}).encode()
    whole = replaying.read(unary, body)
    assert told(whole, unary) == body
    first, last, done, _ = told(whole, streaming).split(b"\n\n")
    assert json.loads(first.removeprefix(b"data: "))["choices"] == [choice | {"finish_reason": None}]
    assert json.loads(last.removeprefix(b"data: "))["choices"] == [choice | {"text": ""}]
    assert done == b"data: [DONE]"
    assert replaying.read(streaming, told(whole, streaming)) is not None


def test_embeddings_are_told_byte_for_byte() -> None:
    prompt, body = a_prompt("/api/embed", input="a"), b'{"model":"m","embeddings":[[0.1,-2e-05]]}'
    assert told(replaying.read(prompt, body), prompt) == body


CALL = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "light"}}]}
END = {**HEAD, "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}


@pytest.mark.parametrize(
    ("path", "stream", "answer"),
    [
        ("/api/chat", True, b""),
        ("/api/chat", True, a_chat(["a"], [], reason="length")),
        ("/api/chat", True, a_chat(["a"], [], reason="load")),
        ("/api/chat", True, b"".join(a_chat(["a"], []).splitlines(keepends=True)[:-1])),
        ("/api/chat", True, a_chat(["a"], [])[:-20]),
        ("/api/chat", True, a_chat(["a"], []) + b'{"error":"broke off"}\n'),
        ("/api/chat", True, lines([{"error": "x"}, END])),
        ("/api/chat", True, lines([{**HEAD, "message": CALL, "done": False}, END])),
        ("/api/chat", False, lines([END | {"message": CALL}])),
        ("/api/chat", False, b"[1]"),
        ("/api/chat", False, b"[" * 5000),
        ("/api/generate", False, json.dumps(END | {"tool_calls": [1]}).encode()),
        ("/api/embed", False, b'{"embeddings":[]}'),
        ("/api/embed", False, b"[]"),
        ("/v1/chat/completions", True, an_openai_chat(["a"], usage=True, reason="length")),
        ("/v1/chat/completions", True, an_openai_chat(["a"], usage=True).removesuffix(b"data: [DONE]\n\n")),
        ("/v1/chat/completions", True, b'data: {"error":"x"}\n\ndata: [DONE]\n\n'),
        ("/v1/chat/completions", False, b'{"choices":[]}'),
        ("/v1/chat/completions", False, json.dumps({"choices": [{"finish_reason": "stop", "message": CALL}]}).encode()),
    ],
)
def test_what_is_not_whole_or_is_a_deed_is_not_kept(path: str, stream: bool, answer: bytes) -> None:
    assert replaying.read(a_prompt(path, stream=stream, input="a"), answer) is None


@given(
    st.sampled_from(["/api/chat", "/api/generate", "/api/embed", "/v1/chat/completions", "/v1/completions"]),
    st.booleans(),
    st.binary(max_size=80) | st.text(max_size=80).map(str.encode),
)
def test_no_answer_is_too_strange_to_be_judged(path: str, stream: bool, answer: bytes) -> None:
    replaying.read(a_prompt(path, stream=stream), answer)
