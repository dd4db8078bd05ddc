"""What a home writes into a batch: one prompt a line, in the form that OpenAI's clients know."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from insula.contract.resolve import explain
from insula.domain.batches import MAX_LINES, Line
from insula.domain.errors import InvalidSpecError

Prompted = Literal[
    "/api/chat",
    "/api/generate",
    "/api/embed",
    "/api/embeddings",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
]


class BatchLine(BaseModel):
    """One prompt."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    custom_id: Annotated[str, Field(min_length=1, max_length=256)]
    """What tells this prompt's answer from the others'."""

    method: Literal["POST"] = "POST"
    """As OpenAI's clients write it."""

    url: Prompted
    """The path of the API."""

    body: dict[str, Any]
    """The request, as it would be sent to that path. It is answered in one piece."""


def lines_from_jsonl(upload: bytes) -> list[Line]:
    """Read the lines of an upload; empty ones are left out.

    Raises:
        InvalidSpecError: One is no prompt, two bear the same name, or there are none or too many.
    """
    texts = [(number, text) for number, text in enumerate(upload.split(b"\n"), start=1) if text.strip()]
    if not 1 <= len(texts) <= MAX_LINES:
        raise InvalidSpecError(f"a batch has 1 to {MAX_LINES} lines, and this one has {len(texts)}")
    found: dict[str, Line] = {}
    for number, text in texts:
        line = _line(number, text)
        if line.custom_id in found:
            raise InvalidSpecError(f"line {number}: the custom_id {line.custom_id!r} stands on another line, too")
        found[line.custom_id] = line
    return list(found.values())


def _line(number: int, text: bytes) -> Line:
    try:
        read = BatchLine.model_validate_json(text)
    except ValidationError as error:
        raise InvalidSpecError(f"line {number}: {explain(error)}") from error
    if "\x00" in read.custom_id:
        raise InvalidSpecError(f"line {number}: the custom_id holds a zero byte")
    return Line(read.custom_id, read.url, json.dumps(read.body | {"stream": False}))
