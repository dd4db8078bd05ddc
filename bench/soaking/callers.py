"""What homes do at the gateway all day: ask, leave in the middle, poll, send nonsense, hold a false key."""

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from bench.soaking.street import Home

PAUSE_S: Final = 0.5  # between two requests of one home, on average
PATIENCE_S: Final = 60.0
_MINE: Final = ("chat", "chat", "chat", "unary", "openai", "leave", "poll", "nonsense", "false key", "batch", "again")


@dataclass
class Seen:
    """What all callers saw."""

    requests: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    strangers: list[str] = field(default_factory=list)
    """Answers that held another home's secret."""
    failures: list[str] = field(default_factory=list)
    """Answers of the gateway's own that say that it failed."""


@dataclass
class Caller:
    """One home's clients."""

    home: Home
    key: str
    others: list[str]  # the secrets of all other homes
    urls: list[str]
    session: aiohttp.ClientSession
    chance: random.Random
    seen: Seen

    async def call_until(self, over: asyncio.Event) -> None:
        """Ask again and again."""
        while not over.is_set():
            what = self.chance.choice(_MINE)
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self._do(what)
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                self.seen.statuses[f"{type(error).__name__}"] += 1
            await asyncio.sleep(self.chance.expovariate(1 / PAUSE_S))

    async def _do(self, what: str) -> None:
        chat: dict[str, Any] = {"model": "m:1", "messages": [{"role": "user", "content": str(self.chance.random())}]}
        match what:
            case "unary":
                await self._ask("/api/chat", chat | {"stream": False})
            case "again":  # the same as before, and of the kind that may be told from memory
                again = {"model": "m:1", "messages": [{"role": "user", "content": "?"}], "options": {"temperature": 0}}
                await self._ask("/api/chat", again)
            case "openai":
                await self._ask("/v1/chat/completions", chat)
            case "leave":
                await self._ask("/api/chat", chat, leave=True)
            case "batch":
                await self._ask("/api/chat", chat, headers={"X-Insula-Priority": "batch"})
            case "poll":
                await self._ask("/api/tags", None)
            case "nonsense":
                await self._ask("/api/chat", b"{" * self.chance.randrange(1, 10_000))
            case "false key":
                await self._ask("/api/chat", chat, key="k1.nobody.1.x")
            case _:
                await self._ask("/api/chat", chat)

    async def _ask(
        self, path: str, body: Any, *, leave: bool = False, key: str = "", headers: dict[str, str] | None = None
    ) -> None:
        self.seen.requests += 1
        said = {"Authorization": f"Bearer {key or self.key}", **(headers or {})}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        method = "GET" if body is None else "POST"
        url = self.chance.choice(self.urls) + path
        async with self.session.request(method, url, data=data, headers=said) as answer:
            self.seen.statuses[str(answer.status)] += 1
            if leave:
                await answer.content.readany()
                answer.close()
                return
            text = (await answer.read()).decode(errors="replace")
        if "the gateway failed" in text:
            self.seen.failures.append(text[:200])
        if any(secret in text for secret in self.others):
            self.seen.strangers.append(self.home.name)
