"""What an answer says about itself in its last line, read without parsing the rest.

Ollama ends a stream with counters and durations in nanoseconds; OpenAI's shape has token counts only. Names and units
stay Ollama's own, so that a figure in our log is the figure in its answer.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from insula.domain.usage import NS_PER_S

# The last line of /api/chat is under 1 KB. The one of /api/generate may carry kilobytes of `context` before its
# figures, so the figures are also found in a line whose beginning is gone.
TAIL_BYTES: Final = 8192
# 31 years in nanoseconds; what is more, or less than nothing, is no count.
LARGEST_COUNT: Final = 10**18

_NUMBER: Final = re.compile(
    rb'(?<!\\)"(total_duration|load_duration|prompt_eval_count|prompt_eval_duration|eval_count|eval_duration)"'
    rb"\s*:\s*(\d{1,18})(?![\d.eE])"
)


@dataclass
class Tail:
    """The last bytes of a stream. Bounded: about `TAIL_BYTES` plus one chunk."""

    _bytes: bytearray = field(default_factory=bytearray)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the stream."""
        if len(chunk) >= TAIL_BYTES:
            self._bytes[:] = chunk[-TAIL_BYTES:]
            return
        self._bytes += chunk
        if len(self._bytes) > 2 * TAIL_BYTES:
            del self._bytes[:-TAIL_BYTES]

    def __bytes__(self) -> bytes:
        return bytes(self._bytes[-TAIL_BYTES:])


class Copy:
    """All bytes of a stream, or none if there are more than `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes: bytearray | None = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the stream."""
        if self._bytes is not None:
            self._bytes += chunk
            if len(self._bytes) > self._limit:
                self._bytes = None

    @property
    def whole(self) -> bytes | None:
        """What was fed, None when it was more than the limit."""
        return None if self._bytes is None else bytes(self._bytes)


@dataclass(frozen=True)
class Figures:
    """What a model used for one answer; None where the answer did not say. Durations in nanoseconds."""

    model: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    total_duration: int | None = None
    load_duration: int | None = None
    prompt_eval_duration: int | None = None
    eval_duration: int | None = None

    @property
    def compute_s(self) -> float:
        """Seconds that the model computed: for the prompt and for the answer."""
        return ((self.prompt_eval_duration or 0) + (self.eval_duration or 0)) / NS_PER_S


def figures(tail: bytes) -> Figures:
    """Read the figures from the end of an answer: a JSON object, JSON lines, or server-sent events."""
    for line in reversed(tail.splitlines()):
        text = line.removeprefix(b"data:").strip()
        if not text or text == b"[DONE]":
            continue
        return _from_line(text)
    return Figures()


def _from_line(text: bytes) -> Figures:
    try:
        document = orjson.loads(text)
    except ValueError:
        document = {name.decode(): int(number) for name, number in _NUMBER.findall(text)}
    if not isinstance(document, Mapping):
        return Figures()
    usage = document.get("usage")
    if isinstance(usage, Mapping):
        counts = usage.get("prompt_tokens"), usage.get("completion_tokens")
    else:
        counts = document.get("prompt_eval_count"), document.get("eval_count")
    model = document.get("model")
    return Figures(
        model=model[:256] if isinstance(model, str) else None,
        prompt_eval_count=_count(counts[0]),
        eval_count=_count(counts[1]),
        total_duration=_count(document.get("total_duration")),
        load_duration=_count(document.get("load_duration")),
        prompt_eval_duration=_count(document.get("prompt_eval_duration")),
        eval_duration=_count(document.get("eval_duration")),
    )


def _count(value: Any) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_COUNT
    return value if is_count else None
