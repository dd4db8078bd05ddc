"""Which prompts may be answered from memory, and which two of them are the same."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insula.gateway import cachable, paths, prompts
from insula.gateway.cachable import Bypass
from insula.gateway.prompts import Prompt

ASKED = [{"role": "user", "content": "hello"}]
SURE: dict[str, Any] = {"options": {"temperature": 0}}


def a_prompt(path: str = "/api/chat", **document: Any) -> Prompt:
    endpoint = paths.find("POST", path)
    assert endpoint is not None
    return prompts.parse(orjson.dumps({"model": "m", **document}), endpoint, path)


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/api/chat", {"messages": ASKED, **SURE}),
        ("/api/chat", {"messages": ASKED, "options": {"seed": 7}, "think": True, "format": "json", "tools": []}),
        ("/api/chat", {"messages": [{"role": "user", "content": "x", "images": ["aGk="]}], **SURE}),
        ("/api/generate", {"prompt": "hello", "options": {"temperature": 0.0}}),
        ("/api/embed", {"input": ["a", "b"]}),
        ("/api/embeddings", {"prompt": "a"}),
        ("/v1/embeddings", {"input": "a"}),
        ("/v1/chat/completions", {"messages": ASKED, "temperature": 0, "stream": True}),
        ("/v1/completions", {"prompt": "hello", "seed": 1}),
    ],
)
def test_an_answer_in_which_nothing_is_left_to_chance_may_be_told_again(path: str, document: dict[str, Any]) -> None:
    assert cachable.refusal(a_prompt(path, **document)) is None


TOOL = {"type": "function", "function": {"name": "light"}}


@pytest.mark.parametrize(
    ("path", "document", "why"),
    [
        ("/api/chat", {"messages": ASKED}, Bypass.CHANCE),
        ("/api/chat", {"messages": ASKED, "options": {"temperature": 0.1}}, Bypass.CHANCE),
        ("/api/chat", {"messages": ASKED, "options": {"temperature": False}}, Bypass.CHANCE),
        ("/api/chat", {"messages": ASKED, "options": {"seed": -1}}, Bypass.CHANCE),
        ("/api/chat", {"messages": ASKED, "options": {"seed": "7"}}, Bypass.CHANCE),
        ("/api/chat", {"messages": ASKED, "options": []}, Bypass.CHANCE),
        ("/api/chat", {"messages": ASKED, "options": {"temperature": 0}, "tools": [TOOL]}, Bypass.TOOLS),
        ("/api/chat", {"messages": [*ASKED, {"role": "tool", "content": "on"}], **SURE}, Bypass.TOOLS),
        ("/api/chat", {"messages": [{"role": "assistant", "tool_calls": []}], **SURE}, Bypass.TOOLS),
        ("/api/chat", {"messages": ASKED, "Tools": [TOOL], **SURE}, Bypass.TOOLS),
        ("/api/chat", {"messages": [{"Role": "tool", "content": "on"}], **SURE}, Bypass.FIELD),
        ("/api/chat", {"messages": [{"role": "Tool", "content": "on"}], **SURE}, Bypass.FIELD),
        ("/api/chat", {"messages": ["hello"], **SURE}, Bypass.FIELD),
        ("/api/chat", {"messages": ASKED, "web_search": True, **SURE}, Bypass.FIELD),
        ("/api/chat", {"messages": [], "keep_alive": 0, **SURE}, Bypass.EMPTY),
        ("/api/chat", {"keep_alive": 0}, Bypass.EMPTY),
        ("/api/generate", {"keep_alive": 0}, Bypass.EMPTY),
        ("/api/generate", {"prompt": "hello", "temperature": 0}, Bypass.FIELD),
        ("/api/embed", {"input": []}, Bypass.EMPTY),
        ("/v1/chat/completions", {"messages": ASKED, **SURE}, Bypass.FIELD),
        ("/v1/chat/completions", {"messages": ASKED}, Bypass.CHANCE),
        ("/v1/chat/completions", {"messages": ASKED, "temperature": 0, "tools": [TOOL]}, Bypass.TOOLS),
    ],
)
def test_any_other_is_computed(path: str, document: dict[str, Any], why: Bypass) -> None:
    assert cachable.refusal(a_prompt(path, **document)) is why


def key(prompt: Prompt, digest: str = "d", version: str = "v", context_tokens: int = 2048) -> str:
    return cachable.key(prompt, digest=digest, version=version, context_tokens=context_tokens)


def test_how_an_answer_is_sent_and_how_long_its_model_stays_make_no_other_prompt() -> None:
    plain = a_prompt(messages=ASKED, **SURE)
    assert key(a_prompt(messages=ASKED, stream=False, keep_alive=-1, **SURE)) == key(plain)


BASE: dict[str, Any] = {"messages": ASKED, "options": {"temperature": 0, "num_ctx": 2048}}


@pytest.mark.parametrize(
    "change",
    [
        {"model": "other"},
        {"messages": [*ASKED, *ASKED]},
        {"messages": [{"role": "system", "content": "hello"}]},
        {"messages": [{"role": "user", "content": "hello", "images": ["aGk="]}]},
        {"options": {"temperature": 0, "num_ctx": 4096}},
        {"options": {"temperature": 0, "num_ctx": 2048, "stop": ["x"]}},
        {"options": {"num_ctx": 2048, "seed": 0}},
        {"format": "json"},
        {"format": {"type": "object", "properties": {"a": {}, "b": {}}}},
        {"format": {"type": "object", "properties": {"b": {}, "a": {}}}},
        {"think": True},
        {"think": False},
        {"truncate": False},
    ],
)
def test_all_else_that_a_prompt_says_makes_another(change: dict[str, Any]) -> None:
    keys = {key(a_prompt(**BASE | change)), key(a_prompt(**BASE)), key(a_prompt(**BASE, format={"b": 1, "a": 2}))}
    assert len(keys) == 3


def test_another_model_ollama_context_and_endpoint_make_another() -> None:
    plain = a_prompt("/v1/completions", prompt="hello", seed=1)
    other = a_prompt("/v1/embeddings", prompt="hello", seed=1)
    keys = {key(plain), key(plain, digest="x"), key(plain, version="x"), key(plain, context_tokens=1), key(other)}
    assert len(keys) == 5


@given(
    st.dictionaries(
        st.sampled_from(["messages", "options", "tools", "prompt", "input", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers(-5, 5) | st.text(max_size=3),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content", "seed"]), inner)
            ),
            max_leaves=8,
        ),
    ),
    st.sampled_from(sorted(cachable._FIELDS)),
)
def test_every_document_is_judged(document: dict[str, Any], name: str) -> None:
    endpoint = next(each for each in paths._EXACT.values() if each.name == name)
    prompt = Prompt(endpoint, "/", b"", document)
    assert cachable.refusal(prompt) in {None, *Bypass}
