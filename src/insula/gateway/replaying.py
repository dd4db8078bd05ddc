"""A whole answer, kept in the one form from which each form that a client may ask for can be made.

The form is the answer that is not streamed: Ollama's object, or OpenAI's. Streams of it are shorter than the first
one was, for the text comes in one piece.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from insula.gateway.cachable import EMBEDDINGS
from insula.gateway.prompts import Prompt
from insula.gateway.wire import EVENTS_TYPE, JSON_TYPE, LINES_TYPE, OPENAI_TYPE

_STOP: Final = "stop"
_DATA: Final = b"data: "
_DONE: Final = b"[DONE]"
_DATA_OF_EMBEDDINGS: Final = ("embeddings", "embedding", "data")
# What a message may hold to be told again; anything else is a deed, or unknown.
_MESSAGE: Final = frozenset({"role", "content", "thinking", "reasoning"})
# OpenAI's streams leave out what was used unless asked.
_USAGE: Final = "usage"

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Whole:
    """A complete answer as one JSON object. `counted`: it tells what was used, so that every form can be made of it."""

    body: bytes
    counted: bool = True


@dataclass(frozen=True)
class Form:
    """An answer as it goes to a client."""

    content_type: str
    body: bytes
    streamed: bool


def read(prompt: Prompt, answer: bytes) -> Whole | None:
    """Return the whole answer that came for a prompt, None when it is not whole or may not be told twice."""
    try:
        if prompt.endpoint.name in EMBEDDINGS:
            return Whole(answer) if any(map(orjson.loads(answer).get, _DATA_OF_EMBEDDINGS)) else None
        if prompt.endpoint.openai:
            return _read_openai(prompt, answer)
        lines = [orjson.loads(line) for line in answer.splitlines() if line.strip()]
        document = _join(lines)
        is_whole = lines[-1].get("done") is True and lines[-1].get("done_reason") == _STOP
        if not is_whole or "tool_calls" in document or not _is_plain(document.get("message", {})):
            return None
        return Whole(orjson.dumps(document) if prompt.streams else answer)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def write(whole: Whole, prompt: Prompt) -> Form | None:
    """Return the answer in the form that a prompt asks for, None when that one cannot be made."""
    if prompt.endpoint.name in EMBEDDINGS or not prompt.streams:
        if not whole.counted:
            return None
        return Form(OPENAI_TYPE if prompt.endpoint.openai else JSON_TYPE, whole.body, streamed=False)
    document = orjson.loads(whole.body)
    if not prompt.endpoint.openai:
        lines = [orjson.dumps(line) + b"\n" for line in _split(document)]
        return Form(LINES_TYPE, b"".join(lines), streamed=True)
    wants_usage = _wants_usage(prompt)
    if wants_usage and not whole.counted:
        return None
    events = [orjson.dumps(event) for event in _split_openai(document, usage=wants_usage)]
    return Form(EVENTS_TYPE, b"".join(_DATA + event + b"\n\n" for event in (*events, _DONE)), streamed=True)


def _join(lines: list[Document]) -> Document:
    """Return Ollama's lines as its one object."""
    if any("error" in line for line in lines):
        raise ValueError("an answer that failed")
    last = dict(lines[-1])
    if "message" in last:
        messages = [line.get("message") or {} for line in lines]
        return last | {"message": _others(messages) | _texts(messages, ("content", "thinking"))}
    return last | _texts(lines, ("response", "thinking"))


def _texts(parts: Iterable[Document], names: tuple[str, ...]) -> dict[str, Any]:
    parts = list(parts)
    whole = {name: "".join(part.get(name) or "" for part in parts) for name in names}
    return {name: text for name, text in whole.items() if text or any(name in part for part in parts)}


def _others(messages: list[Document]) -> dict[str, Any]:
    """Return who speaks, and what messages hold besides text, so that it is seen."""
    others = {name: value for message in messages for name, value in message.items() if name not in _MESSAGE}
    return {"role": messages[0].get("role", "assistant")} | others


def _is_plain(message: Document) -> bool:
    return message.keys() <= _MESSAGE


def _split(document: Document) -> list[Document]:
    """Return Ollama's one object as the lines of a stream."""
    common = {name: document[name] for name in ("model", "created_at") if name in document}
    message = document.get("message")
    if message is not None:
        said: list[dict[str, Any]] = [
            {"message": {"role": message["role"], "content": "", name: message[name]}}
            for name in ("thinking", "content")
            if message.get(name)
        ]
        end: dict[str, Any] = {"message": {"role": message["role"], "content": ""}}
    else:
        said = [{"response": "", name: document[name]} for name in ("thinking", "response") if document.get(name)]
        end = {"response": ""}
    last = {name: value for name, value in document.items() if name != "thinking"} | end
    return [*(common | part | {"done": False} for part in said), last]


def _read_openai(prompt: Prompt, answer: bytes) -> Whole | None:
    if not prompt.streams:
        document = orjson.loads(answer)
    else:
        events = [line.removeprefix(_DATA) for line in answer.splitlines() if line.startswith(_DATA)]
        if events[-1:] != [_DONE]:
            return None
        document = _join_openai([orjson.loads(event) for event in events[:-1]])
    (choice,) = document["choices"]
    if choice["finish_reason"] != _STOP or not _is_plain(choice.get("message", {})):
        return None
    return Whole(orjson.dumps(document) if prompt.streams else answer, counted=bool(document.get(_USAGE)))


def _join_openai(chunks: list[Document]) -> Document:
    """Return OpenAI's chunks as its one object."""
    usage = [{_USAGE: chunk[_USAGE]} for chunk in chunks if chunk.get(_USAGE)]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    end = {"index": 0, "finish_reason": choices[-1]["finish_reason"]}
    if "delta" in choices[0]:
        deltas = [choice["delta"] for choice in choices]
        said: dict[str, Any] = {"message": _others(deltas) | _texts(deltas, ("content", "reasoning"))}
    else:
        said = _texts(choices, ("text",))
    head = {name: value for name, value in chunks[0].items() if name not in {"choices", _USAGE}}
    kind = str(head["object"]).removesuffix(".chunk")
    return head | {"object": kind, "choices": [said | end]} | (usage[-1] if usage else {})


def _split_openai(document: Document, *, usage: bool) -> list[Document]:
    """Return OpenAI's one object as the chunks of a stream."""
    head = {name: value for name, value in document.items() if name not in {"choices", _USAGE}}
    (choice,) = document["choices"]
    message = choice.get("message")
    if message is not None:
        head["object"] = f"{head['object']}.chunk"
        role = {"role": message.get("role", "assistant")}
        said: list[Document] = [
            {"delta": role | {"content": "", name: message[name]}}
            for name in ("reasoning", "content")
            if message.get(name)
        ]
        end: Document = {"delta": role | {"content": ""}}
    else:
        said, end = [{"text": choice["text"]}], {"text": ""}
    parts = [*({"index": 0, **part, "finish_reason": None} for part in said)]
    chunks: list[Document] = [head | {"choices": [part]} for part in parts]
    chunks.append(head | {"choices": [{"index": 0, **end, "finish_reason": choice["finish_reason"]}]})
    return [*chunks, head | {"choices": [], _USAGE: document[_USAGE]}] if usage else chunks


def _wants_usage(prompt: Prompt) -> bool:
    options = prompt.document.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True
