"""Which prompts may be answered from memory, and what makes two of them the same.

An answer may be given again when computing it again would give it again: nothing in it was left to chance, it is no
deed of a tool's, and it is all there. What is not known to be so is not kept.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from insula.gateway import prompts
from insula.gateway.prompts import Prompt


class Bypass(StrEnum):
    """Why a prompt is computed without a look into the memory."""

    PLAN = "plan"  # the home's plan has no cache
    TOOLS = "tools"  # the answer may be a deed, and a deed is not repeated from memory
    CHANCE = "chance"  # neither temperature 0 nor a seed: its client wants variety
    EMPTY = "empty"  # it loads or unloads a model
    FIELD = "field"  # it says something of which the gateway does not know what it does
    MODEL = "model"  # which model it is, or which Ollama runs it, is not known for certain


_OPTIONAL: Final = frozenset({"model", "stream", "keep_alive"})
_CHAT: Final = _OPTIONAL | {"messages", "format", "options", "think", "tools", "truncate", "shift"}
_GENERATE: Final = _OPTIONAL | {
    "prompt", "suffix", "system", "template", "context", "raw", "images", "format", "options", "think", "truncate",
    "shift",
}  # fmt: skip
_OPENAI: Final = _OPTIONAL | {
    "stream_options", "max_tokens", "seed", "stop", "temperature", "top_p", "frequency_penalty", "presence_penalty",
}  # fmt: skip
# The fields that are understood, by endpoint. Ollama reads others in any mixture of capitals: those are unknown here.
_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "api_chat": _CHAT,
    "api_generate": _GENERATE,
    "api_embed": _OPTIONAL | {"input", "truncate", "dimensions", "options"},
    "api_embeddings": _OPTIONAL | {"prompt", "options"},
    "v1_chat_completions": _OPENAI | {"messages", "response_format", "reasoning_effort", "tools", "tool_choice"},
    "v1_completions": _OPENAI | {"prompt", "suffix"},
    "v1_embeddings": _OPTIONAL | {"input", "dimensions", "encoding_format"},
}
EMBEDDINGS: Final = frozenset({"api_embed", "api_embeddings", "v1_embeddings"})
_CHATS: Final = frozenset({"api_chat", "v1_chat_completions"})
_MESSAGE: Final = frozenset({"role", "content", "images", "thinking", "reasoning"})
_OF_TOOLS: Final = frozenset({"tool_calls", "tool_name", "tool_call_id"})
_ROLES: Final = frozenset({"system", "developer", "user", "assistant"})
# How an answer is sent and how long a model stays loaded change nothing in it.
_NOT_IN_KEY: Final = frozenset({"stream", "stream_options", "keep_alive"})
_LARGEST_SEED: Final = 2**31 - 1


def refusal(prompt: Prompt) -> Bypass | None:
    """Return why a prompt's answer cannot be kept, as far as the prompt says; None when it can."""
    document, name = prompt.document, prompt.endpoint.name
    if not document.keys() <= _FIELDS.get(name, frozenset()):
        return Bypass.FIELD
    if name in EMBEDDINGS:
        return None if document.get("input") or document.get("prompt") else Bypass.EMPTY
    if document.get("tools") or document.get("tool_choice"):
        return Bypass.TOOLS
    if name in _CHATS:
        refused = _refusal_of_messages(document.get("messages"))
    else:
        refused = None if _is_text(document.get("prompt")) else Bypass.EMPTY
    return refused or (None if _is_certain(document, openai=prompt.endpoint.openai) else Bypass.CHANCE)


def key(prompt: Prompt, *, digest: str, version: str, context_tokens: int) -> str:
    """Return what two prompts of one tenant share when they have the same answer.

    The document's own order counts: of the fields of a schema the model writes them in.

    Args:
        prompt: As it is sent on: what the plan says of its options stands in it.
        digest: Of the model's manifest: weights, template, parameters, system prompt.
        version: Of Ollama, which renders templates and has defaults for all options.
        context_tokens: The one default that the plan has.

    Raises:
        BadRequestError: The document is nested deeper than any request is.
    """
    document = {name: value for name, value in prompt.document.items() if name not in _NOT_IN_KEY}
    parts = (prompt.endpoint.name, digest, version, context_tokens, document)
    return hashlib.sha256(prompts.write(parts)).hexdigest()


def _refusal_of_messages(messages: Any) -> Bypass | None:
    if not isinstance(messages, list) or not messages:
        return Bypass.EMPTY
    for message in messages:
        if not isinstance(message, dict):
            return Bypass.FIELD
        if message.keys() & _OF_TOOLS or message.get("role") == "tool":
            return Bypass.TOOLS
        if not message.keys() <= _MESSAGE or message.get("role") not in _ROLES:
            return Bypass.FIELD
    return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_certain(document: Mapping[str, Any], *, openai: bool) -> bool:
    options = document if openai else document.get("options")
    if not isinstance(options, dict):
        return False
    temperature, seed = options.get("temperature"), options.get("seed")
    # A seed below zero asks Ollama to draw one. `True` is a number to Python, and to nobody else.
    seeded = isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed <= _LARGEST_SEED
    return seeded or (isinstance(temperature, int | float) and not isinstance(temperature, bool) and temperature == 0)
