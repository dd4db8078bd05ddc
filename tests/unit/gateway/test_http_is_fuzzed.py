"""Whatever comes in on the socket, the gateway has no error of its own, does not fall, and leaves nothing behind."""

import asyncio
import json
from collections.abc import Sequence

from gateway_house import House, a_house
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_http import leaving_nothing, status

KEY = b"<key>"
# A request that is no whole one gets no answer.
PATIENCE_S = 0.3
METHODS = st.sampled_from([b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT"])
PATHS = st.sampled_from(
    [b"/", b"/api/tags", b"/api/chat", b"/api/generate", b"/api/embed", b"/api/show", b"/api/pull", b"/api/ps",
     b"/v1/models", b"/v1/models/x", b"/v1/chat/completions", b"/v1/embeddings", b"/t/" + KEY + b"/api/chat", b"/t/x/"]
)  # fmt: skip
PROMPTS = st.sampled_from(
    [b"/api/chat", b"/api/generate", b"/api/embed", b"/api/embeddings", b"/v1/chat/completions", b"/v1/completions"]
)
HARMLESS = st.sampled_from(
    [b"Content-Type: application/json", b"X-Insula-Priority: batch", b"X-Insula-Hop: 1", b"Accept-Encoding: gzip, br",
     b"Cookie: a=b", b"X-Forwarded-For: 10.0.0.1", b"Range: bytes=0-1"]
)  # fmt: skip
HEADERS = st.sampled_from(
    [b"Authorization: Bearer " + KEY, b"Authorization: Bearer x", b"Authorization: Basic eDp4", b"Host: x",
     b"Content-Type: application/json", b"Transfer-Encoding: chunked", b"Content-Length: 0", b"Content-Length: 10",
     b"Content-Length: 99999999999999999999", b"Expect: 100-continue", b"Connection: close", b"Connection: Upgrade",
     b"Upgrade: h2c", b"Content-Encoding: gzip"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["model", "messages", "prompt", "input", "stream", "options", "keep_alive", "tools", "format", "think", "name",
     "temperature", "seed", "stream_options", "images"]
)  # fmt: skip
VALUES = JSON | st.sampled_from(
    ["gemma3:270m", 0, -1, True, {"temperature": 0}, {"num_ctx": 1}, {"num_ctx": "x"}, {"include_usage": True}, "5m",
     [{"role": "user", "content": "a"}], [{"role": "tool"}], [None], {"role": "user"}]
)  # fmt: skip
DOCUMENTS = st.dictionaries(FIELDS, VALUES, max_size=6).map(lambda body: json.dumps(body).encode()) | st.binary(
    max_size=60
)


@st.composite
def good_requests(draw: st.DrawFn) -> bytes:
    """Return a request that is understood: what it asks may be senseless."""
    body = draw(DOCUMENTS)
    path = draw(PROMPTS | PATHS)
    lines = [draw(st.just(b"POST") | METHODS) + b" " + path + b" HTTP/1.1", b"Host: x", b"Connection: close"]
    lines += [b"Authorization: Bearer " + KEY, b"Content-Length: %d" % len(body), *draw(st.lists(HARMLESS, max_size=1))]
    return b"\r\n".join([*lines, b"", body])


@st.composite
def bad_requests(draw: st.DrawFn) -> bytes:
    """Return what looks like a request from afar, whole or cut."""
    path = draw(PATHS | st.binary(max_size=40).map(lambda text: b"/" + text))
    headers = draw(st.lists(HEADERS | HARMLESS | st.binary(max_size=40), max_size=5))
    whole = b"\r\n".join([draw(METHODS) + b" " + path + b" HTTP/1.1", *headers, b"", draw(DOCUMENTS)])
    return whole[: draw(st.just(len(whole)) | st.integers(0, len(whole)))]


REQUESTS = st.one_of(good_requests(), good_requests(), good_requests(), bad_requests(), st.binary(max_size=200))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(REQUESTS, min_size=1, max_size=8))
def test_no_request_makes_an_error_of_ours_or_leaves_anything(sent: Sequence[bytes]) -> None:
    asyncio.run(send_all(sent))


async def send_all(sent: Sequence[bytes]) -> None:
    async with a_house() as house, leaving_nothing(house):
        found = await asyncio.gather(*(send(house, each.replace(KEY, house.key.encode())) for each in sent))
        wrong = [each for each, answer in zip(sent, found, strict=True) if status(answer) >= 500]
        assert wrong == []
        assert house.logged("request_failed") == []
        assert (await house.client.get(house.url + "/api/tags", headers={"Authorization": f"Bearer {house.key}"})).ok
        await house.client.close()


async def send(house: House, sent: bytes) -> bytes:
    """Send bytes and no more, as a client that waits for an answer, and leaves when none comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rpartition(":")[2]))
    try:
        writer.write(sent)
        async with asyncio.timeout(PATIENCE_S):
            return await reader.read(65_536)
    except (ConnectionError, TimeoutError):
        return b""
    finally:
        writer.close()
