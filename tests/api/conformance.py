"""What is asked of a bare Ollama and of one behind the gateway, and how their answers are written down side by side."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from real_ollama import MODEL

OWN_WORDS: Final = "the gateway reads a prompt before it sends it on, and refuses what is none in its own words"
NOT_OPEN: Final = "what is not in the list of open paths is refused before an Ollama could be woken for it"
MODELS: Final = "models are set in the Tenant, and the operator alone changes them"
# Which the model answers in a dozen words, and stops: such an answer is told again.
ASKED: Final = [{"role": "user", "content": "hi"}]
SHORT: Final = {"temperature": 0, "num_predict": 3}
TOOLS: Final = [{"type": "function", "function": {"name": "light", "parameters": {"type": "object"}}}]
PICTURE: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="

# Headers that the gateway adds on purpose.
ADDED: Final = ("server", "x-accel-buffering", "x-insula-")
PROXIED: Final = ("date", "content-length", "transfer-encoding")


@dataclass(frozen=True, eq=False)
class Case:
    """One request. `why` says on purpose what the gateway answers otherwise; empty: it answers the same."""

    title: str
    method: str
    path: str
    body: Any = None
    why: str = ""

    @property
    def content(self) -> bytes | None:
        return self.body if isinstance(self.body, bytes | None) else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Seen:
    """An answer: what a client can tell of it, and that is the same at each run."""

    status: int
    content_type: str
    framing: str
    shape: str
    error: str
    headers: frozenset[str] = field(default=frozenset(), compare=False)
    cache: str = field(default="", compare=False)

    def __str__(self) -> str:
        said = f"“{self.error}”" if self.error else self.shape
        phrase = f"{self.status} {HTTPStatus(self.status).phrase}"
        return " · ".join(part for part in (phrase, self.content_type, self.framing, said) if part)


def _model(**more: Any) -> dict[str, Any]:
    return {"model": MODEL, **more}


CASES: Final[Mapping[str, Sequence[Case]]] = {
    "State": (
        Case("the root", "GET", "/"),
        Case("the root's head", "HEAD", "/"),
        Case("the models", "GET", "/api/tags"),
        Case("their head", "HEAD", "/api/tags"),
        Case("what is loaded", "GET", "/api/ps"),
        Case("the version", "GET", "/api/version"),
        Case("its head", "HEAD", "/api/version"),
        Case("a model", "POST", "/api/show", _model()),
        Case("an unknown model", "POST", "/api/show", {"model": "nope"}),
        Case("no model", "POST", "/api/show", {}),
        Case("OpenAI's list", "GET", "/v1/models"),
        Case("OpenAI's model", "GET", f"/v1/models/{MODEL}"),
        Case("an unknown one", "GET", "/v1/models/nope"),
    ),
    "Ollama's chat": (
        Case("streamed", "POST", "/api/chat", _model(messages=ASKED, options=SHORT)),
        Case("whole", "POST", "/api/chat", _model(messages=ASKED, options=SHORT, stream=False)),
        Case("again, whole", "POST", "/api/chat", _model(messages=ASKED, options=SHORT, stream=False)),
        Case("to the end", "POST", "/api/chat", _model(messages=ASKED, options={"temperature": 0})),
        Case("to the end again", "POST", "/api/chat", _model(messages=ASKED, options={"temperature": 0})),
        Case("JSON", "POST", "/api/chat", _model(messages=ASKED, options=SHORT, format="json", stream=False)),
        Case(
            "a schema",
            "POST",
            "/api/chat",
            _model(messages=ASKED, options=SHORT, format={"type": "object", "properties": {"a": {"type": "string"}}}),
        ),
        Case("an unknown format", "POST", "/api/chat", _model(messages=ASKED, format="xml")),
        Case("no message: load", "POST", "/api/chat", _model()),
        Case("thinking, of a model that cannot", "POST", "/api/chat", _model(messages=ASKED, think=True)),
        Case("tools, of a model that has none", "POST", "/api/chat", _model(messages=ASKED, tools=TOOLS)),
        Case(
            "a picture, for a model that is blind",
            "POST",
            "/api/chat",
            _model(messages=[{"role": "user", "content": "what?", "images": [PICTURE]}], options=SHORT),
        ),
        Case("a picture that is none", "POST", "/api/chat", _model(messages=[{"role": "user", "images": ["!"]}])),
        Case("an unknown model", "POST", "/api/chat", {"model": "nope", "messages": ASKED}),
        Case("no model", "POST", "/api/chat", {"messages": ASKED}),
        Case("messages that are none", "POST", "/api/chat", _model(messages="hello")),
        Case("a model that is no name", "POST", "/api/chat", {"model": 5}),
        Case("no JSON", "POST", "/api/chat", b"{", OWN_WORDS),
        Case("no object", "POST", "/api/chat", b"[]", OWN_WORDS),
        Case("nothing", "POST", "/api/chat", None, OWN_WORDS),
    ),
    "Ollama's generation and embeddings": (
        Case("streamed", "POST", "/api/generate", _model(prompt="hello", options=SHORT)),
        Case("whole", "POST", "/api/generate", _model(prompt="hello", options=SHORT, stream=False)),
        Case("no prompt: load", "POST", "/api/generate", _model()),
        Case("an unknown model", "POST", "/api/generate", {"model": "nope", "prompt": "a"}),
        Case("no JSON", "POST", "/api/generate", b"{", OWN_WORDS),
        Case("embeddings, of a model that has none", "POST", "/api/embed", _model(input="hello")),
        Case("of nothing", "POST", "/api/embed", _model(input=[])),
        Case("of an unknown model", "POST", "/api/embed", {"model": "nope", "input": "a"}),
        Case("the older form", "POST", "/api/embeddings", _model(prompt="hello")),
    ),
    "OpenAI's API": (
        Case("a chat", "POST", "/v1/chat/completions", _model(messages=ASKED, temperature=0, max_tokens=3)),
        Case(
            "streamed", "POST", "/v1/chat/completions", _model(messages=ASKED, temperature=0, max_tokens=3, stream=True)
        ),
        Case(
            "with what was used",
            "POST",
            "/v1/chat/completions",
            _model(messages=ASKED, temperature=0, max_tokens=3, stream=True, stream_options={"include_usage": True}),
        ),
        Case("to the end", "POST", "/v1/chat/completions", _model(messages=ASKED, temperature=0)),
        Case("to the end again", "POST", "/v1/chat/completions", _model(messages=ASKED, temperature=0)),
        Case("no message", "POST", "/v1/chat/completions", _model(messages=[])),
        Case("tools, of a model that has none", "POST", "/v1/chat/completions", _model(messages=ASKED, tools=TOOLS)),
        Case("an unknown model", "POST", "/v1/chat/completions", {"model": "nope", "messages": ASKED}),
        Case("no JSON", "POST", "/v1/chat/completions", b"{", OWN_WORDS),
        Case("nothing", "POST", "/v1/chat/completions", None, OWN_WORDS),
        Case("a completion", "POST", "/v1/completions", _model(prompt="hello", temperature=0, max_tokens=3)),
        Case("streamed", "POST", "/v1/completions", _model(prompt="hello", seed=1, max_tokens=3, stream=True)),
        Case("embeddings, of a model that has none", "POST", "/v1/embeddings", _model(input="hello")),
        Case("of nothing", "POST", "/v1/embeddings", _model()),
    ),
    "What is not open": (
        Case("another method", "GET", "/api/chat", why=NOT_OPEN),
        Case("another method", "PUT", "/api/tags", {}, NOT_OPEN),
        Case("another method", "HEAD", "/api/ps", why=NOT_OPEN),
        Case("no path of Ollama's", "GET", "/nope", why=NOT_OPEN),
        Case("profiling", "GET", "/debug/pprof/cmdline", why=NOT_OPEN),
        Case("deleting a model", "DELETE", "/api/delete", {"model": "nope"}, MODELS),
        Case("copying one", "POST", "/api/copy", {"source": "nope", "destination": "x"}, MODELS),
        Case("making one", "POST", "/api/create", {}, MODELS),
        Case("a blob", "HEAD", f"/api/blobs/sha256:{'0' * 64}", why=MODELS),
    ),
}


async def observe(session: aiohttp.ClientSession, url: str, case: Case, key: str = "") -> Seen:
    """Ask, as `curl` would, and tell what came back."""
    headers = {"Content-Type": "application/json"} if case.body is not None else {}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    async with session.request(case.method, url + case.path, data=case.content, headers=headers) as response:
        body = await response.read()
        framing = "chunked" if response.headers.get("Transfer-Encoding") == "chunked" else ""
        return Seen(
            status=response.status,
            content_type=response.headers.get("Content-Type", ""),
            framing=framing,
            shape=shape(body, response.content_type),
            error=error(body),
            headers=frozenset(name.lower() for name in response.headers),
            cache=response.headers.get("X-Insula-Cache", ""),
        )


def error(body: bytes) -> str:
    """Return what an answer says that went wrong, "" when nothing did."""
    try:
        said = json.loads(body)["error"]
    except (ValueError, LookupError, TypeError):
        return body.decode() if body[:3].isdigit() else ""
    return str(said["message"] if isinstance(said, dict) else said)


def shape(body: bytes, content_type: str) -> str:
    """Return the form of an answer: the fields in it, and what kinds of lines it has, in their order."""
    if content_type == "text/event-stream":
        parts = [line.removeprefix(b"data: ") for line in body.splitlines() if line]
        return "events: " + ", ".join(_in_order(_fields(part) for part in parts))
    if content_type == "application/x-ndjson":
        return "lines: " + ", ".join(_in_order(_fields(line) for line in body.splitlines()))
    return _fields(body)


def _in_order(kinds: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(kinds))


def _fields(text: bytes) -> str:
    try:
        document = json.loads(text)
    except ValueError:
        return text.decode(errors="replace")[:40].strip()
    return _form(document)


def _form(value: Any) -> str:
    if isinstance(value, dict):
        inner = (
            f"{name} {_form(each)}".strip() for name, each in value.items() if name not in {"model_info", "tensors"}
        )
        return "{" + ", ".join(sorted(inner)) + "}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return f"[{_form(value[0])}]"
    return "[]" if isinstance(value, list) else ""


def page(version: str, seen: Mapping[Case, tuple[Seen, Seen]]) -> str:
    """Return the page that tells what was seen."""
    return "\n".join(_page(version, seen))


def _page(version: str, seen: Mapping[Case, tuple[Seen, Seen]]) -> Iterator[str]:
    yield "<!-- Made by `CONFORMANCE=write make api ARGS=tests/api/test_conformance.py`. -->"
    yield "# Beside a bare Ollama\n"
    yield f"What Ollama {version} with the model {MODEL} answers by itself, and through the gateway. The tests ask both"
    yield "again and compare status, headers, form and errors; where they differ on purpose, the reason stands there.\n"
    yield "To every answer the gateway adds `Server` and `X-Insula-Request-Id`, to streams `X-Accel-Buffering: no`, to"
    yield "answers to prompts `X-Insula-Cache`, and what they had to wait for. Without a true key all is 401."
    yield '`POST /api/pull` is answered by the gateway: `{"status":"success"}` for a model that is there, else 403;'
    yield f"{MODELS}. Also refused: numbers and text that JSON does not know"
    yield "(`NaN`, halves of surrogate pairs), and what follows a whole document, all of which Ollama overlooks."
    for title, cases in CASES.items():
        yield f"\n## {title}\n"
        yield "| | Request | Ollama | Through the gateway |"
        yield "|---|---|---|---|"
        for case in cases:
            bare, behind = seen[case]
            other = f"{behind}: {case.why}" if case.why else "the same"
            cells = (case.title, f"`{case.method} {case.path}`", _escaped(str(bare)), _escaped(other))
            yield f"| {' | '.join(cells)} |"
    yield ""


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
