"""Lines out of chunks."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insula.domain.errors import UnavailableError
from insula.kube import lines


async def chunks_of(data: bytes, sizes: list[int]) -> AsyncIterator[bytes]:
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


async def collect(chunks: AsyncIterator[bytes]) -> list[bytes]:
    return [line async for line in lines.split(chunks)]


@given(
    st.lists(st.binary(min_size=1, max_size=20).filter(lambda line: b"\n" not in line), max_size=8),
    st.lists(st.integers(min_value=0, max_value=15), max_size=20),
)
async def test_lines_are_the_same_however_they_are_cut(written: list[bytes], sizes: list[int]) -> None:
    data = b"".join(line + b"\n" for line in written)
    assert await collect(chunks_of(data, sizes)) == written


async def test_a_line_that_was_cut_off_is_dropped() -> None:
    assert await collect(chunks_of(b'{"a":1}\n{"b"', [])) == [b'{"a":1}']


async def test_a_line_longer_than_any_object_is_an_error() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1024 * 1024

    with pytest.raises(UnavailableError):
        await collect(endless())
