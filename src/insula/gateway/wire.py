"""What answers look like on the wire, whoever makes them: their types, the gateway's own headers, and their bound."""

from collections.abc import Mapping
from typing import Final

import aiohttp

JSON_TYPE: Final = "application/json; charset=utf-8"  # as Ollama writes it
OPENAI_TYPE: Final = "application/json"
LINES_TYPE: Final = "application/x-ndjson"
EVENTS_TYPE: Final = "text/event-stream"
SERVER: Final[Mapping[str, str]] = {"Server": "insula"}
# A proxy that buffers would turn a stream of words into one late lump.
UNBUFFERED: Final[Mapping[str, str]] = {"X-Accel-Buffering": "no"}


def of_stream(content_type: str, more: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a stream that the gateway itself begins."""
    return {**SERVER, "Content-Type": content_type, **UNBUFFERED, **more}


async def read_at_most(content: aiohttp.StreamReader, limit: int) -> bytes | None:
    """Read an answer to its end, None when it is longer than `limit`."""
    body = bytearray()
    while chunk := await content.readany():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)
