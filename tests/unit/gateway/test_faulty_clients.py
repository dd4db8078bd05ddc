"""A client that is slow, rude or broken is told so, harms nobody, and leaves nothing behind."""

import asyncio
import contextlib
import json

import pytest
from aiohttp import web
from gateway_house import FakeOllama, House, a_house, serving
from raw_http import SOON_S, a_request, content, exchange, leaving_nothing, status

ASKED = b'{"model":"m","messages":[]}'


async def connect(house: House) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(house.url.rpartition(":")[2]))


async def answers(house: House) -> bool:
    return status(await exchange(house, a_request(house, ASKED))) == 200


@pytest.mark.parametrize("sent", [b"", b"P", b"POST /api/chat HTT", b"POST /api/chat HTTP/1.1\r\nHost: x\r\n"])
async def test_one_that_leaves_before_it_has_asked_leaves_nothing(sent: bytes) -> None:
    async with a_house() as house, leaving_nothing(house):
        _, writer = await connect(house)
        writer.write(sent)
        await writer.drain()
        writer.close()
        assert await answers(house)


async def test_one_that_leaves_in_the_middle_of_its_prompt_reaches_no_ollama() -> None:
    async with a_house() as house, leaving_nothing(house):
        _, writer = await connect(house)
        writer.write(a_request(house, b"x" * 100_000)[:50_000])
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.transport.abort()
        (line,) = await house.logged_soon()
        assert (line["outcome"], line["status"]) == ("client_gone", 499)
        assert house.ollama.asked == []


async def test_one_that_resets_the_connection_in_mid_answer_stops_its_ollama() -> None:
    ollama = FakeOllama(gate=asyncio.Event())
    async with a_house(ollama) as house, leaving_nothing(house):
        reader, writer = await connect(house)
        writer.write(a_request(house, ASKED))
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()
        await asyncio.wait_for(ollama.abandoned.wait(), 5)


async def test_a_hundred_that_leave_at_once_leave_nothing() -> None:
    async with a_house(FakeOllama(gate=asyncio.Event())) as house, leaving_nothing(house):
        writers = []
        for _ in range(100):
            _, writer = await connect(house)
            writer.write(a_request(house, ASKED))
            writers.append(writer)
        await asyncio.sleep(0.3)
        for writer in writers:
            writer.transport.abort()


async def test_one_that_drips_its_headers_is_cut_off() -> None:
    async def welcome(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    application = web.Application()
    application.router.add_get("/", welcome)
    async with serving(application, keepalive_timeout=0.5) as port:  # as the gateway serves, in less time
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        dripping = asyncio.create_task(drip(writer, b"GET / HTTP/1.1\r\nX-Header: " + b"x" * 8000))
        async with asyncio.timeout(SOON_S):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        dripping.cancel()
        await asyncio.wait({dripping})
        writer.close()


async def drip(writer: asyncio.StreamWriter, sent: bytes) -> None:
    for byte in sent:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


async def test_one_that_drips_its_prompt_is_told_that_it_is_too_slow() -> None:
    async with a_house(upload_s=0.3) as house, leaving_nothing(house):
        reader, writer = await connect(house)
        writer.write(a_request(house, ASKED)[:-10])
        async with asyncio.timeout(SOON_S):
            assert b"408" in await reader.readline()
        writer.close()
        assert house.ollama.asked == []


async def test_a_prompt_of_ten_megabytes_arrives_whole() -> None:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 10_000_000}]}).encode()
    async with a_house() as house, leaving_nothing(house):
        assert status(await exchange(house, a_request(house, body))) == 200
        assert house.ollama.bodies == [body]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"NaN",
        b"{}{}",
        b'{"model":"m"} trailing',
        b'{"model":"\xff\xfe"}',
        b'{"model":"\\ud800"}',
        b'{"model":"m","options":{"temperature":NaN}}',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"model":"m","format":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    ],
)
@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions", "/api/embed"])
async def test_a_prompt_that_is_no_json_object_is_a_bad_request_in_the_callers_shape(path: str, body: bytes) -> None:
    async with a_house() as house, leaving_nothing(house):
        answer = await exchange(house, a_request(house, body, path=path))
        assert status(answer) == 400
        error = json.loads(content(answer))["error"]
        assert (error["type"] if path.startswith("/v1") else "invalid_request_error") == "invalid_request_error"
        assert house.ollama.bodies == []


@pytest.mark.parametrize("depth", [200, 260, 1000])
@pytest.mark.parametrize("options", [b'{"temperature":0}', b'{"num_ctx":512}', b"{}"])
async def test_a_prompt_that_is_nested_deep_is_answered_or_refused(depth: int, options: bytes) -> None:
    body = b'{"model":"gemma3:270m","messages":[{"role":"user","content":"a"}],"options":' + options
    body += b',"format":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"
    async with a_house() as house, leaving_nothing(house):
        assert status(await exchange(house, a_request(house, body))) in {200, 400}


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Content-Length: +27\r\n",
        b"Content-Length: 27, 5\r\n",
        b" folded: header\r\n",
        b"Bad Header: x\r\n",
        b"X: \x00\r\n",
        b"X: " + b"x" * 20_000 + b"\r\n",
        b"".join(b"X-%d: y\r\n" % number for number in range(500)),
    ],
)
async def test_headers_that_two_readers_could_read_in_two_ways_are_refused(headers: bytes) -> None:
    async with a_house() as house, leaving_nothing(house):
        answer = await exchange(house, a_request(house, ASKED, more=headers))
        assert status(answer) == 400
        assert house.ollama.asked == []
        assert await answers(house)


async def test_what_follows_a_whole_request_is_no_request_of_ollamas() -> None:
    hidden = b"DELETE /api/delete HTTP/1.1\r\nHost: x\r\n\r\n"
    async with a_house() as house, leaving_nothing(house):
        keeping = a_request(house, ASKED).replace(b"Connection: close\r\n", b"")
        reader, writer = await connect(house)
        writer.write(keeping + hidden)
        async with asyncio.timeout(SOON_S):
            assert b"200" in await reader.readline()
            await reader.readuntil(b"0\r\n\r\n")
            assert b"401" in await reader.readline()
        writer.close()
        assert [path for _, path in house.ollama.asked if path != "/api/tags"] == ["/api/chat"]


@pytest.mark.parametrize("target", [b"http://127.0.0.1:1/api/tags", b"*", b"api/tags", b"//api/tags", b"/api/tags#x"])
async def test_a_target_of_another_form_leads_nowhere_else(target: bytes) -> None:
    async with a_house() as house, leaving_nothing(house):
        asked = b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer "
        answer = await exchange(house, asked + house.key.encode() + b"\r\n\r\n")
        assert status(answer) in {200, 400, 403}
        assert {path for _, path in house.ollama.asked} <= {"/api/tags"}


async def test_an_upgrade_is_no_way_around_the_door() -> None:
    more = b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    async with a_house() as house, leaving_nothing(house):
        request = a_request(house, ASKED, more=more).replace(b"Connection: close", b"Connection: Upgrade, close")
        assert status(await exchange(house, request)) != 101
