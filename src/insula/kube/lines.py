"""Splits a stream of bytes into lines, however long: one watched object may take a megabyte."""

from collections.abc import AsyncIterator
from typing import Final

from insula.domain.errors import UnavailableError

MAX_LINE_BYTES: Final = 8 * 1024 * 1024  # etcd stores at most 1.5 MiB an object; JSON may be several times that


async def split(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield each whole line without its end; a last line without an end is dropped, for it was cut off.

    Raises:
        UnavailableError: A line is longer than any object can be.
    """
    pieces: list[bytes] = []
    size = 0
    async for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            line = b"".join([*pieces, end])
            pieces, size = [], 0
            if line:
                yield line
        if rest:
            pieces.append(rest)
            size += len(rest)
        if size > MAX_LINE_BYTES:
            raise UnavailableError(f"the API server sent a line of more than {MAX_LINE_BYTES} bytes")
