"""Programs that know Ollama cannot tell the gateway from it, but for what it does otherwise on purpose."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import ollama
import openai
import pytest
import pytest_asyncio

from api import conformance
from api.conformance import ADDED, ASKED, CASES, PROXIED, TOOLS, Case, Seen
from api.doors import Door, a_door
from insula.domain.inference import Inference
from insula.ollama.client import open_ollama
from real_ollama import MODEL, a_real_ollama

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "conformance.md"
ALL = [case for cases in CASES.values() for case in cases]
# As the Ollama below has it: no prompt needs a change on its way.
INFERENCE = Inference(context_tokens=2048)


@pytest_asyncio.fixture(scope="session")
async def bare(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A bare Ollama, its model loaded."""
    async with a_real_ollama(tmp_path_factory.mktemp("ollama")) as port:
        url = f"http://127.0.0.1:{port}"
        async with open_ollama(url) as client:
            await client.load(MODEL, INFERENCE.context_tokens)
        yield url


@pytest_asyncio.fixture(scope="session")
async def door(bare: str) -> AsyncIterator[Door]:
    async with a_door(int(bare.rpartition(":")[2]), INFERENCE) as door:
        yield door


@pytest_asyncio.fixture(scope="session")
async def seen(bare: str, door: Door) -> Mapping[Case, tuple[Seen, Seen]]:
    """What both answered to every case."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        return {
            case: (
                await conformance.observe(session, bare, case),
                await conformance.observe(session, door.url, case, door.key),
            )
            for case in ALL
        }


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.method} {case.path} {case.title}")
async def test_both_answer_the_same_unless_there_is_a_reason(
    case: Case, seen: Mapping[Case, tuple[Seen, Seen]]
) -> None:
    bare, behind = seen[case]
    if case.why:
        assert behind != bare, "there is no difference to give a reason for"
        assert behind.status in {400, 403}
    else:
        assert behind == bare
    extra = {name for name in behind.headers - bare.headers if not name.startswith((*ADDED, *PROXIED))}
    assert extra == set()
    assert bare.headers - behind.headers - {"allow", *PROXIED} == set()


async def test_an_answer_told_from_memory_is_among_those_that_are_compared(
    seen: Mapping[Case, tuple[Seen, Seen]],
) -> None:
    told = {case.path for case, (_, behind) in seen.items() if behind.cache == "hit"}
    assert told == {"/api/chat", "/v1/chat/completions"}


async def test_the_page_tells_what_was_seen(bare: str, seen: Mapping[Case, tuple[Seen, Seen]]) -> None:
    async with open_ollama(bare) as client:
        text = conformance.page(await client.version(), seen)
    if os.environ.get("CONFORMANCE") == "write":
        PAGE.write_text(text)
    assert PAGE.read_text() == text


async def the_pieces(stream: AsyncIterator[Any]) -> list[Any]:
    return [piece async for piece in stream]


async def streamed(of: Awaitable[Any]) -> str:
    pieces = await the_pieces(await of)
    return f"{type(pieces[0]).__name__}, and the last {type(pieces[-1]).__name__}"


async def whole(of: Awaitable[Any]) -> str:
    return type(await of).__name__


async def outcome(of: Awaitable[str]) -> str:
    """Return what a client's call came to: the type of what it gave, or of its error with the status."""
    try:
        return await of
    except (ollama.ResponseError, openai.APIStatusError) as error:
        return f"{type(error).__name__} {error.status_code}"


OLLAMA: Mapping[str, Callable[[ollama.AsyncClient], Awaitable[str]]] = {
    "list": lambda client: whole(client.list()),
    "ps": lambda client: whole(client.ps()),
    "show": lambda client: whole(client.show(MODEL)),
    "show of an unknown model": lambda client: whole(client.show("nope")),
    "chat": lambda client: whole(client.chat(MODEL, ASKED, options={"num_predict": 2})),
    "chat streamed": lambda client: streamed(client.chat(MODEL, ASKED, stream=True, options={"num_predict": 2})),
    "chat with an unknown model": lambda client: whole(client.chat("nope", ASKED)),
    "chat with tools": lambda client: whole(client.chat(MODEL, ASKED, tools=TOOLS)),
    "chat that thinks": lambda client: whole(client.chat(MODEL, ASKED, think=True)),
    "chat streamed that thinks": lambda client: streamed(client.chat(MODEL, ASKED, think=True, stream=True)),
    "generate": lambda client: whole(client.generate(MODEL, "hello", options={"num_predict": 2})),
    "embed": lambda client: whole(client.embed(MODEL, "hello")),
}
OPENAI: Mapping[str, Callable[[openai.AsyncOpenAI], Awaitable[str]]] = {
    "list": lambda client: whole(client.models.list().__aiter__().__anext__()),
    "retrieve": lambda client: whole(client.models.retrieve(MODEL)),
    "retrieve an unknown one": lambda client: whole(client.models.retrieve("nope")),
    "chat": lambda client: whole(client.chat.completions.create(model=MODEL, messages=ASKED, max_tokens=2)),  # type: ignore[arg-type]
    "chat streamed": lambda client: streamed(
        client.chat.completions.create(model=MODEL, messages=ASKED, max_tokens=2, stream=True)  # type: ignore[arg-type]
    ),
    "chat with an unknown model": lambda client: whole(client.chat.completions.create(model="nope", messages=ASKED)),  # type: ignore[arg-type]
    "completion": lambda client: whole(client.completions.create(model=MODEL, prompt="hello", max_tokens=2)),
    "embeddings": lambda client: whole(client.embeddings.create(model=MODEL, input="hello")),
}


@pytest.mark.parametrize("call", OLLAMA)
async def test_ollamas_own_client_meets_the_same(call: str, bare: str, door: Door) -> None:
    headers = {"Authorization": f"Bearer {door.key}"}
    async with ollama.AsyncClient(bare) as plain, ollama.AsyncClient(door.url, headers=headers) as keyed:
        assert await outcome(OLLAMA[call](keyed)) == await outcome(OLLAMA[call](plain))


@pytest.mark.parametrize("call", OPENAI)
async def test_openais_client_meets_the_same(call: str, bare: str, door: Door) -> None:
    async with (
        openai.AsyncOpenAI(base_url=f"{bare}/v1", api_key="none", max_retries=0) as plain,
        openai.AsyncOpenAI(base_url=f"{door.url}/v1", api_key=door.key, max_retries=0) as keyed,
    ):
        assert await outcome(OPENAI[call](keyed)) == await outcome(OPENAI[call](plain))


async def test_a_key_in_the_path_serves_clients_that_can_set_no_header(door: Door) -> None:
    async with ollama.AsyncClient(f"{door.url}/t/{door.key}") as client:
        assert [model.model for model in (await client.list()).models] == [MODEL]


async def test_a_client_without_a_key_meets_the_error_that_it_knows(door: Door) -> None:
    async with ollama.AsyncClient(door.url) as client:
        with pytest.raises(ollama.ResponseError, match="key") as refused:
            await client.list()
    assert refused.value.status_code == 401
    async with openai.AsyncOpenAI(base_url=f"{door.url}/v1", api_key="false", max_retries=0) as other:
        with pytest.raises(openai.AuthenticationError):
            await other.models.retrieve(MODEL)


async def test_a_pull_of_a_model_that_is_there_is_told_at_once(door: Door) -> None:
    async with ollama.AsyncClient(door.url, headers={"Authorization": f"Bearer {door.key}"}) as client:
        assert (await client.pull(MODEL)).status == "success"
        with pytest.raises(ollama.ResponseError, match=r"spec\.ollama\.models"):
            await client.pull("llama3:70b")


async def test_a_sleepers_state_is_told_in_its_own_words(bare: str, door: Door) -> None:
    async with aiohttp.ClientSession() as session:
        awake = {path: await text(session, door, path) for path in ("/", "/api/tags", "/api/version", "/v1/models")}
        door.set_backend()
        try:
            assert {path: await text(session, door, path) for path in awake} == awake
            assert await text(session, door, "/api/ps") == '{"models":[]}'
        finally:
            door.set_backend(int(bare.rpartition(":")[2]))


async def text(session: aiohttp.ClientSession, door: Door, path: str) -> str:
    async with session.get(door.url + path, headers={"Authorization": f"Bearer {door.key}"}) as response:
        return await response.text()
