"""Bytes from a client to its tenant's Ollama and back, untouched, as they come, never more than a buffer ahead."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from http import HTTPStatus
from typing import Final

import aiohttp
from aiohttp import web
from yarl import URL

from insula.domain.errors import cap
from insula.gateway import wire
from insula.gateway.errors import NotReadyError, OllamaRefusedError, UpstreamError
from insula.gateway.records import Exchange, Outcome

PIECE_BYTES: Final = 256 * 1024
CONNECT_TIMEOUT_S: Final = 3.0
# Ollama sends no header until a model is loaded, and itself gives up after five minutes without progress.
SILENCE_TIMEOUT_S: Final = 600.0
# A machine that has lost its power closes no connection. The kernel asks after 10 s of silence and gives up 15 s later;
# bytes that nobody confirms are waited for as long.
_LOST_AFTER: Final = {
    socket.TCP_KEEPIDLE: 10,
    socket.TCP_KEEPINTVL: 5,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 25_000,
}
# A connection is kept for the next request of a conversation, which comes within seconds. Not for longer: to a node
# that went without a word, a new connection fails in `CONNECT_TIMEOUT_S`, and a kept one is silent.
KEPT_S: Final = 5.0

# What Ollama reads. The key, cookies and hop-by-hop headers stay here; without Accept-Encoding nothing is compressed.
_REQUEST_HEADERS: Final = ("Content-Type", "Accept", "User-Agent")
_HOP_BY_HOP: Final = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
        "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
MAX_REFUSAL_BYTES: Final = 4096


class ClientGoneError(Exception):
    """The client closed its connection before the answer was complete."""


def open_session() -> aiohttp.ClientSession:
    """Return the process's one HTTP client. The caller closes it."""
    return aiohttp.ClientSession(
        # A connection ends where it began: when its pod goes it breaks, and never leads to whoever has that pod's
        # address next.
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_S, socket_factory=_open_socket),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=SILENCE_TIMEOUT_S),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers={"User-Agent", "Accept", "Accept-Encoding", "Content-Type"},
    )


def _open_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Return a socket that finds out when the other side is gone without a word, as with a power cut."""
    family, kind, protocol, *_ = address
    opened = socket.socket(family, kind, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _LOST_AFTER.items():
        opened.setsockopt(socket.IPPROTO_TCP, option, value)
    return opened


async def forward(
    request: web.BaseRequest,
    *,
    body: bytes,
    backend: str,
    path: str,
    session: aiohttp.ClientSession,
    exchange: Exchange,
    limit_s: float = SILENCE_TIMEOUT_S,
    extra: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Send a request on and stream its answer back.

    Args:
        request: What the client sent.
        body: What is sent on.
        backend: "address:port" of the tenant's Ollama.
        path: The path to ask for, as it came on the wire.
        session: From `open_session`.
        exchange: Is told what comes back.
        limit_s: How long the whole answer may take.
        extra: Headers that go along, besides those that Ollama reads.

    Raises:
        NotReadyError: Nobody listens at the backend.
        UpstreamError: The backend broke off before its first byte.
        ClientGoneError: The client left; the backend's connection is closed.
    """
    url = URL(f"http://{backend}{path}", encoded=True).with_query(None)
    deadline = asyncio.get_running_loop().time() + limit_s
    try:
        headers = _for_ollama(request.headers, body) | dict(extra or {})
        async with asyncio.timeout_at(deadline):
            upstream = await _ask(session, request.method, url, body, headers)
        async with upstream:
            return await _send_back(request, upstream, exchange, deadline)
    except aiohttp.ClientConnectorError as error:
        raise NotReadyError("the Ollama of this home does not accept connections yet", retry_after_s=2) from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise UpstreamError(f"the Ollama of this home broke off: {cap(type(error).__name__)}") from error


async def _ask(
    session: aiohttp.ClientSession, method: str, url: URL, body: bytes, headers: Mapping[str, str]
) -> aiohttp.ClientResponse:
    """Send a request on; once more where it broke off before its first byte, for a kept connection may have died.

    What is forwarded changes nothing in an Ollama, so it may be asked twice.
    """

    async def send() -> aiohttp.ClientResponse:
        data = _in_pieces(body) if len(body) > PIECE_BYTES else body or None
        return await session.request(method, url, data=data, headers=headers, allow_redirects=False)

    try:
        return await send()
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
        return await send()


async def _in_pieces(body: bytes) -> AsyncGenerator[bytes, None]:
    """Give a body in pieces, so that a long one holds up no other request."""
    for start in range(0, len(body), PIECE_BYTES):
        yield body[start : start + PIECE_BYTES]


async def _send_back(
    request: web.BaseRequest, upstream: aiohttp.ClientResponse, exchange: Exchange, deadline: float
) -> web.StreamResponse:
    response = exchange.begun
    if response is not None and upstream.status != HTTPStatus.OK:
        said = await upstream.content.read(MAX_REFUSAL_BYTES)
        raise OllamaRefusedError(f"Ollama answered {upstream.status}: {cap(said.decode(errors='replace').strip())}")
    exchange.status = upstream.status
    try:
        if response is None:
            response = web.StreamResponse(status=upstream.status, reason=upstream.reason, headers=_for_client(upstream))
            response.headers.update(exchange.headers)
            await response.prepare(request)
        try:
            await _copy(upstream, response, exchange, deadline)
        except _BrokenOffError as error:
            exchange.outcome, exchange.reason = Outcome.BROKEN_OFF, str(error)
            await end_broken(request, response, exchange)
    except ConnectionError as error:
        raise ClientGoneError from error
    exchange.finish()
    return response


class _BrokenOffError(Exception):
    """Ollama's connection failed in mid-answer; aiohttp has a ConnectionError for this and for a client that left."""


async def _copy(
    upstream: aiohttp.ClientResponse, response: web.StreamResponse, exchange: Exchange, deadline: float
) -> None:
    """Send the answer on as it comes: a client that reads slowly slows its Ollama, and nothing is kept here."""
    try:
        async with asyncio.timeout_at(deadline) as limit, aclosing(_read(upstream)) as chunks:
            async for chunk in chunks:
                exchange.took(chunk)
                await response.write(chunk)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise _BrokenOffError("the answer took longer than the home's plan allows") from error
    await response.write_eof()


async def _read(upstream: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    try:
        with _ending_with_its_connection(upstream):
            async for chunk in upstream.content.iter_any():
                yield chunk
    except (aiohttp.ClientError, TimeoutError) as error:
        raise _BrokenOffError(f"Ollama broke off in mid-answer: {type(error).__name__}") from error


@contextmanager
def _ending_with_its_connection(upstream: aiohttp.ClientResponse) -> Iterator[None]:
    """Let a chunked answer fail whose connection is lost: where a chunk is malformed, aiohttp forgets to say so."""
    protocol = upstream.connection.protocol if upstream.connection is not None else None
    if protocol is None or "Transfer-Encoding" not in upstream.headers:
        yield
        return

    def fail(_: "asyncio.Future[None] | None") -> None:
        if not upstream.content.is_eof() and upstream.content.exception() is None:
            upstream.content.set_exception(aiohttp.ClientPayloadError("the connection was lost in mid-answer"))

    closed = protocol.closed
    if closed is None:
        fail(None)
        yield
        return
    closed.remove_done_callback(_hear)  # once for a connection, however many answers it brings
    closed.add_done_callback(_hear)
    closed.add_done_callback(fail)
    try:
        yield
    finally:
        closed.remove_done_callback(fail)


def _hear(closed: "asyncio.Future[None]") -> None:
    """Hear how a connection ended, whose answers have told what there is to tell."""
    if not closed.cancelled():
        closed.exception()


async def end_broken(request: web.BaseRequest, response: web.StreamResponse, exchange: Exchange) -> None:
    """Tell a client of a stream in its own form that the answer is not whole; cut the connection of any other."""
    line = json.dumps({"error": exchange.reason}).encode()
    before = b"" if not bytes(exchange.tail) or bytes(exchange.tail).endswith(b"\n") else b"\n"
    if response.content_type == wire.LINES_TYPE and response.content_length is None:
        await response.write(before + line + b"\n")
        await response.write_eof()
    elif response.content_type == wire.EVENTS_TYPE and response.content_length is None:
        await response.write(before + b"data: " + line + b"\n\n")
        await response.write_eof()
    elif request.transport is not None:
        request.transport.abort()


def _for_ollama(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    kept = {name: headers[name] for name in _REQUEST_HEADERS if name in headers}
    return kept | ({"Content-Length": str(len(body))} if body else {})


def _for_client(upstream: aiohttp.ClientResponse) -> dict[str, str]:
    stays = _HOP_BY_HOP | {name.strip().lower() for name in upstream.headers.get("Connection", "").split(",")}
    kept = {name: value for name, value in upstream.headers.items() if name.lower() not in stays}
    return {**wire.SERVER, **kept, **wire.UNBUFFERED}
