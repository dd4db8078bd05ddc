"""Both ends of HTTP by hand: an Ollama that writes any bytes, a client that does, and a look at what they leave."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from gateway_house import House, a_slice

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
GAUGES = ("requests_in_flight", "queue_waiting", "queue_running")
SOON_S = 60.0


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Read one request, and return its head."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            await reader.readexactly(int(line.partition(b":")[2]))
    return head


@asynccontextmanager
async def an_ollama_that(house: House, script: Script) -> AsyncIterator[None]:
    """Put an Ollama in the place of Alice's that does as the script says, once the request has come."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await read_request(reader)
            if not head.startswith(b"GET"):  # what the gateway asks by itself, for its record
                await script(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    house.directory.put_slice(a_slice("alice", "127.0.0.1", port=server.sockets[0].getsockname()[1]))
    async with server:
        yield


def a_request(house: House, body: bytes = b'{"model":"m"}', *, path: str = "/api/chat", more: bytes = b"") -> bytes:
    """Return a whole request as it stands on the wire; the gateway closes the connection after it."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {house.key}", "Connection: close"]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", ""]).encode() + more + b"\r\n" + body


async def exchange(house: House, sent: bytes) -> bytes:
    """Send bytes to the gateway on a connection of their own, and return all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rpartition(":")[2]))
    try:
        writer.write(sent)
        async with asyncio.timeout(SOON_S):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def status(answer: bytes) -> int:
    """Return the status of an answer, 0 when there was none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0


def content(answer: bytes) -> bytes:
    """Return the content of an answer; its chunks joined, whether the last one came or not."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return rest
    whole = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        whole, rest = whole + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return whole


@asynccontextmanager
async def leaving_nothing(house: House) -> AsyncIterator[None]:
    """Hold that what happens in the block leaves no task, no connection, no turn and no request behind."""
    before = asyncio.all_tasks()
    yield
    try:
        async with asyncio.timeout(SOON_S):
            while leftovers(house) or asyncio.all_tasks() - before:  # noqa: ASYNC110 - nobody tells of an end
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"left behind: {leftovers(house)} {asyncio.all_tasks() - before}") from None


def leftovers(house: House) -> dict[str, float]:
    """Return what the gateway still counts as going on."""
    values = {name: house.registry.get_sample_value(f"insula_gateway_{name}") for name in GAUGES}
    return {name: value for name, value in values.items() if value}
