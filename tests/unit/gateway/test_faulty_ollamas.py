"""An Ollama that fails, in any way, harms its own requests alone, and its client learns of it in its own form."""

import asyncio
import json

import pytest
from gateway_house import LAST_LINE, a_house
from raw_http import Script, a_request, an_ollama_that, content, exchange, leaving_nothing, status

from insula.domain.inference import Inference

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENTS = STREAM.replace(b"application/x-ndjson", b"text/event-stream")
WORD = b'{"message":{"content":"a"},"done":false}\n'
LAST = json.dumps(LAST_LINE).encode() + b"\n"
ASKED = b'{"model":"m"}'


def chunk(content: bytes) -> bytes:
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


def writing(*pieces: bytes, pause_s: float = 0.0) -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return script


async def hanging(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()  # until the gateway leaves


def then_hanging(*pieces: bytes) -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await writing(*pieces)(reader, writer)
        await hanging(reader, writer)

    return script


async def asked(script: Script, *, path: str = "/api/chat", inference: Inference | None = None) -> bytes:
    async with a_house(inference=inference) as house, leaving_nothing(house), an_ollama_that(house, script):
        return await exchange(house, a_request(house, ASKED, path=path))


@pytest.mark.parametrize(
    "script",
    [
        writing(),
        writing(b"\x00\xff garbage\r\n\r\n"),
        writing(b"HTTP/1.1 2"),
        writing(b"HTTP/1.1 200 OK\r\nContent-Le"),
        writing(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"),
        writing(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5_000 + b"\r\n"),
        writing(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
        writing(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
    ],
)
async def test_one_that_breaks_off_before_its_first_byte_is_502_in_ollamas_shape(script: Script) -> None:
    answer = await asked(script)
    assert status(answer) == 502
    assert "broke off" in json.loads(content(answer))["error"]


@pytest.mark.parametrize(
    "script",
    [
        writing(STREAM, chunk(WORD)),
        writing(STREAM, chunk(WORD), b"zz\r\n"),
        writing(STREAM, chunk(WORD), b"ffff\r\nshort"),
        writing(STREAM, chunk(WORD), b"-5\r\nabcde\r\n"),
    ],
)
async def test_one_that_breaks_off_in_mid_stream_ends_with_an_error_line(script: Script) -> None:
    answer = await asked(script)
    assert status(answer) == 200
    first, *_, last = content(answer).splitlines()
    assert first + b"\n" == WORD
    assert "broke off" in json.loads(last)["error"]
    assert answer.endswith(b"0\r\n\r\n")


async def test_one_that_breaks_off_among_events_ends_with_an_error_event() -> None:
    answer = await asked(writing(EVENTS, chunk(b"data: {}\n\n")), path="/v1/chat/completions")
    last = content(answer).rstrip().splitlines()[-1]
    assert "broke off" in str(json.loads(last.removeprefix(b"data: "))["error"])


async def test_an_answer_of_known_length_that_is_too_short_is_cut_short_for_the_client_too() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n"
    answer = await asked(writing(head, b'{"embed'))
    assert content(answer) == b'{"embed'
    assert b"Content-Length: 50" in answer


async def test_one_that_hangs_before_its_first_byte_is_given_up_when_the_answer_has_taken_too_long() -> None:
    answer = await asked(hanging, inference=Inference(answer_s=1))
    assert status(answer) in {502, 504}


async def test_one_that_hangs_in_mid_stream_is_given_up_when_the_answer_has_taken_too_long() -> None:
    answer = await asked(then_hanging(STREAM, chunk(WORD)), inference=Inference(answer_s=1))
    assert "error" in json.loads(content(answer).splitlines()[-1])


@pytest.mark.parametrize("pieces", [(), (STREAM,), (STREAM, chunk(WORD))])
async def test_one_that_hangs_is_left_when_its_client_leaves(pieces: tuple[bytes, ...]) -> None:
    async with a_house() as house, leaving_nothing(house), an_ollama_that(house, then_hanging(*pieces)):
        _, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rpartition(":")[2]))
        writer.write(a_request(house))
        await asyncio.sleep(0.2)
        writer.close()
        assert (await house.logged_soon())[0]["outcome"] == "client_gone"


async def test_a_slow_one_is_waited_for() -> None:
    pieces = [STREAM, *(chunk(bytes([byte])) for byte in WORD + LAST), b"0\r\n\r\n"]
    answer = await asked(writing(*pieces, pause_s=0.002))
    assert content(answer) == WORD + LAST


@pytest.mark.parametrize(
    "line",
    [
        b"\x00\xff\xfe",
        b"{",
        b"[" * 20_000,
        b"data: " * 10,
        b'{"eval_count":1e999}',
        b'{"model":5}',
        b"\n\n\n",
        b'{"eval_count":-7,"eval_duration":-7,"prompt_eval_count":9999999999999999999}',
        b'{"usage":7}',
        b'{"usage":{}}',
    ],
)
async def test_garbage_goes_through_as_it_is_and_its_figures_are_none(line: bytes) -> None:
    async with a_house() as house, leaving_nothing(house):
        async with an_ollama_that(house, writing(STREAM, chunk(WORD), chunk(line), b"0\r\n\r\n")):
            answer = await exchange(house, a_request(house))
        assert content(answer) == WORD + line
        (record,) = await house.logged_soon()
        assert record["outcome"] == "answered"
        assert "eval_count" not in record


async def test_a_line_of_many_megabytes_goes_through_whole() -> None:
    line = b'{"response":"' + b"x" * 8_000_000 + b'"}\n'
    assert content(await asked(writing(STREAM, chunk(line + LAST), b"0\r\n\r\n"))) == line + LAST


async def test_a_redirect_is_not_followed() -> None:
    answer = await asked(writing(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"))
    assert status(answer) == 302


async def test_a_faulty_ollama_harms_no_later_request() -> None:
    async with a_house() as house, leaving_nothing(house):
        for script in (writing(), writing(STREAM, chunk(WORD)), hanging):
            async with an_ollama_that(house, script):
                asking = asyncio.create_task(exchange(house, a_request(house)))
                await asyncio.wait({asking}, timeout=0.5)
                asking.cancel()
                await asyncio.wait({asking})
        async with an_ollama_that(house, writing(STREAM, chunk(LAST), b"0\r\n\r\n")):
            assert content(await exchange(house, a_request(house))) == LAST
