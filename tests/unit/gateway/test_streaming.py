import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from gateway_house import LAST_LINE, FakeOllama, a_house

from insula.gateway import forwarding, prompts
from insula.services import tracing

CHAT = {"model": "gemma3:270m", "messages": [{"role": "user", "content": "hello"}], "keep_alive": -1}


async def test_an_answer_comes_back_byte_for_byte() -> None:
    chunks = [os.urandom(size) for size in (1, 130, 70_000, 3, 200_000)]
    async with a_house(FakeOllama(chunks=chunks)) as house, house.ask("POST", "/api/chat", json=CHAT) as response:
        assert response.status == 200
        assert await response.read() == b"".join(chunks)


async def test_a_request_goes_on_byte_for_byte() -> None:
    body = b'{ "model":"gemma3:270m",  "prompt": "' + b"\\u00e9x" * 50_000 + b'"}\n'
    async with a_house() as house, house.ask("POST", "/api/chat", data=body) as response:
        await response.read()
        assert house.ollama.bodies == [body]


async def test_a_body_of_unknown_length_is_taken_too() -> None:
    async def body() -> AsyncIterator[bytes]:
        for piece in (b'{"model":', b'"gemma3:270m"', b"}"):
            yield piece

    async with a_house() as house, house.ask("POST", "/api/chat", data=body()) as response:
        await response.read()
        assert house.ollama.bodies == [b'{"model":"gemma3:270m"}']


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"model"', b"\xff\xfe", b"\x1f\x8b"])
async def test_what_is_no_json_object_is_refused_and_reaches_nobody(body: bytes) -> None:
    async with a_house() as house, house.ask("POST", "/api/chat", data=body) as response:
        assert response.status == 400
        assert "JSON" in (await response.json())["error"]
        assert house.ollama.bodies == []


async def test_the_first_words_arrive_before_the_last_are_said() -> None:
    ollama = FakeOllama(gate=asyncio.Event())
    async with a_house(ollama) as house, house.ask("POST", "/api/chat", json=CHAT) as response:
        assert await asyncio.wait_for(response.content.readline(), 5) == ollama.chunks[0]
        assert ollama.gate is not None
        ollama.gate.set()
        assert await response.read() == ollama.chunks[1]


async def test_a_client_that_leaves_stops_its_ollama() -> None:
    ollama = FakeOllama(gate=asyncio.Event())
    async with a_house(ollama) as house:
        async with house.ask("POST", "/api/chat", json=CHAT) as response:
            await response.content.readline()
            response.close()
        await asyncio.wait_for(ollama.abandoned.wait(), 5)
        (line,) = await house.logged_soon()
        assert (line["outcome"], line["status"]) == ("client_gone", 499)


async def test_a_client_that_leaves_before_the_first_byte_stops_its_ollama() -> None:
    ollama = FakeOllama(gate=asyncio.Event(), chunks=[b"never"])
    async with a_house(ollama) as house:
        with pytest.raises(TimeoutError):
            async with house.ask("POST", "/api/chat", json=CHAT, timeout=aiohttp.ClientTimeout(total=0.3)) as response:
                await response.read()
        await asyncio.wait_for(ollama.abandoned.wait(), 5)


async def test_a_slow_client_holds_its_ollama_back() -> None:
    sent = 0

    class Flood(FakeOllama):
        async def handle(self, request: web.Request) -> web.StreamResponse:
            nonlocal sent
            await request.read()
            response = web.StreamResponse()
            await response.prepare(request)
            for _ in range(2000):
                await response.write(b"x" * 65_536)
                sent += 65_536
            return response

    async with a_house(Flood()) as house, house.ask("POST", "/api/chat", json=CHAT) as response:
        await response.content.readany()
        await asyncio.sleep(0.5)
        assert sent < 40_000_000  # of 131 MB; what is under way sits in the sockets' buffers
        response.close()


async def test_the_key_and_foreign_headers_stay_at_the_gateway() -> None:
    headers = {"Cookie": "a=b", "X-Forwarded-For": "1.2.3.4", "Origin": "http://evil", "User-Agent": "ha"}
    async with a_house() as house, house.ask("POST", "/api/chat", json=CHAT, headers=headers) as response:
        await response.read()
        (seen,) = house.ollama.headers
        assert seen.keys() <= {"Host", "Connection", "User-Agent", "Accept", "Content-Type", "Content-Length"}


async def test_the_answers_own_headers_come_through_and_hop_by_hop_ones_do_not() -> None:
    async with a_house() as house, house.ask("POST", "/api/chat", json=CHAT) as response:
        await response.read()
        assert response.headers["Content-Type"] == "application/x-ndjson"
        assert response.headers["X-Own"] == "yes"
        assert response.headers["X-Accel-Buffering"] == "no"
        assert len(response.headers["X-Insula-Request-Id"]) == 32
        assert "Keep-Alive" not in response.headers


async def test_ollamas_own_error_comes_through_with_its_status() -> None:
    ollama = FakeOllama(status=404, chunks=[b'{"error":"model not found"}'], content_type="application/json")
    async with a_house(ollama) as house, house.ask("POST", "/api/chat", json=CHAT) as response:
        assert response.status == 404
        assert await response.json() == {"error": "model not found"}


async def test_a_stream_that_breaks_off_ends_with_an_error_line() -> None:
    ollama = FakeOllama(chunks=[b'{"done":false}\n', b'{"do'], break_off=True)
    async with a_house(ollama) as house, house.ask("POST", "/api/chat", json=CHAT) as response:
        last = (await response.read()).splitlines()[-1]
        assert "broke off" in json.loads(last)["error"]
        (line,) = await house.logged_soon()
        assert line["outcome"] == "broken_off"


async def test_an_answer_of_another_kind_that_breaks_off_is_cut() -> None:
    ollama = FakeOllama(chunks=[b'{"embed'], content_type="application/json", break_off=True)
    async with a_house(ollama) as house:
        with pytest.raises(aiohttp.ClientError):
            async with house.ask("POST", "/api/embed", json=CHAT) as response:
                await response.read()


async def test_a_body_that_says_it_is_too_long_is_refused_unread() -> None:
    async with a_house() as house:
        headers = {"Content-Length": str(prompts.MAX_BODY_BYTES + 1)}
        request = "\r\n".join(
            ["POST /api/chat HTTP/1.1", "Host: x", f"Authorization: Bearer {house.key}"]
            + [f"{name}: {value}" for name, value in headers.items()]
            + ["", ""]
        )
        port = int(house.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request.encode())
        assert b"413" in await reader.readline()
        writer.close()
        assert house.ollama.asked == []


async def test_the_record_has_the_figures_of_the_last_line_and_the_models_digest() -> None:
    async with a_house() as house:
        async with house.ask("POST", "/api/chat", json=CHAT) as response:
            await response.read()
        (line,) = await house.logged_soon()
        assert line["tenant"] == "alice"
        assert line["path"] == "/api/chat"
        assert line["model"] == LAST_LINE["model"]
        assert line["model_digest"] == "a" * 64
        assert (line["prompt_eval_count"], line["eval_count"]) == (12, 34)
        assert (line["total_duration"], line["eval_duration"]) == (1_500_000_000, 1_200_000_000)
        assert line["status"] == 200
        assert line["bytes_out"] == sum(map(len, house.ollama.chunks))
        assert house.registry.get_sample_value("insula_gateway_tokens_total", {"kind": "answer"}) == 34
        assert house.registry.get_sample_value("insula_gateway_compute_seconds_total") == pytest.approx(1.4)
        assert house.registry.get_sample_value("insula_gateway_requests_in_flight") == 0


async def test_what_the_gateway_records_is_what_a_trace_reads() -> None:
    async with a_house() as house:
        async with house.ask("POST", "/api/chat", json=CHAT) as response:
            await response.read()
            request_id = response.headers["X-Insula-Request-Id"]
        await house.logged_soon()
        (trace,) = tracing.find(house.lines.getvalue().splitlines(), "alice")
        assert (trace.request_id, trace.model, trace.model_digest) == (request_id, "gemma3:270m", "a" * 64)
        assert (trace.eval_count, trace.eval_seconds, trace.load_seconds) == (34, 1.2, 0.1)


async def test_a_connection_to_a_machine_that_lost_its_power_is_found_out() -> None:
    ollama = FakeOllama(gate=asyncio.Event())  # its answer is not complete
    async with (
        a_house(ollama),
        forwarding.open_session() as session,
        session.post(f"http://127.0.0.1:{ollama.port}/api/chat") as response,
    ):
        assert response.connection is not None
        assert response.connection.transport is not None
        opened = response.connection.transport.get_extra_info("socket")
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        idle, every, times, unconfirmed_ms = (
            opened.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
        )
        assert idle + every * times <= 30
        assert unconfirmed_ms <= 30_000
