"""What all of them do: one session to the Ollama, bytes as they come."""

import os

import aiohttp

OLLAMA = os.environ.get("BENCH_OLLAMA", "")
HEADERS = {"Content-Type": "application/json"}


def open_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    )
