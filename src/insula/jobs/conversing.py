"""The Job that makes a home talk to its model: Ollama's integration with the tenant's key, and the agent."""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from insula.domain.errors import InsulaError, UnavailableError
from insula.homeassistant.assist import prefer_agent
from insula.homeassistant.connection import open_home
from insula.homeassistant.integration import Agent, ensure_agent, ensure_entry
from insula.homeassistant.replacing import retire_older
from insula.ollama.client import open_ollama
from insula.ollama.names import ModelName

T = TypeVar("T")

HOME_S: Final = 300.0  # the home starts while we come; its very first start may take minutes on a slow disk
READY_S: Final = 60.0
# How long we try again what is out of reach: sooner done than by a new pod, which waits longer each time.
PATIENCE_S: Final = 180.0
AGAIN_S: Final = 0.5
TOOLS: Final = "tools"


async def converse(home_url: str, ollama_url: str, model: str, context_tokens: int, secrets: Path) -> str:
    """Set the home up to talk to the model; return the agent's entity id. Doing it again changes nothing.

    Args:
        home_url: Home Assistant.
        ollama_url: What stands for Ollama in the tenant's namespace: the gateway.
        model: The model to talk to; it is there already.
        context_tokens: How much of a conversation the model sees.
        secrets: Holds `platform-account/{username,password}` and `gateway-key/key`.

    Raises:
        UnavailableError: A part was still out of reach after three minutes.
        RefusedError: Home Assistant or the gateway does not let us in.
    """
    account = secrets / "platform-account"
    keys = _Keys(
        username=_read(account / "username"),
        password=_read(account / "password"),
        gateway=_read(secrets / "gateway-key" / "key"),
    )
    name = str(ModelName.parse(model))
    loading = asyncio.create_task(_load(ollama_url, name, context_tokens, keys))
    try:
        async with open_home(home_url) as home:
            await home.wait_until_listening(HOME_S)
        return await _patiently(lambda: _set_up(home_url, ollama_url, name, context_tokens, keys))
    finally:
        loading.cancel()
        await asyncio.wait([loading])


async def _patiently(attempt: Callable[[], Awaitable[T]]) -> T:
    """Try again for a while what is out of reach."""
    ends = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await attempt()
        except UnavailableError as error:
            if time.monotonic() + AGAIN_S > ends:
                raise
            print(json.dumps({"event": "tried_again", "because": error.message}), flush=True)
            await asyncio.sleep(AGAIN_S)


async def _load(ollama_url: str, model: str, context_tokens: int, keys: "_Keys") -> None:
    """Have the model loaded by the time the resident asks; whatever goes wrong here, the first question loads it."""

    async def load() -> None:
        async with open_ollama(ollama_url, key=keys.gateway) as ollama:
            await ollama.load(model, context_tokens)

    with contextlib.suppress(InsulaError):
        await _patiently(load)


@dataclass(frozen=True)
class _Keys:
    username: str
    password: str = field(repr=False)
    gateway: str = field(repr=False)


async def _set_up(home_url: str, ollama_url: str, model: str, context_tokens: int, keys: _Keys) -> str:
    async with open_ollama(ollama_url, key=keys.gateway) as ollama:
        can_control = TOOLS in await ollama.capabilities(model)
    async with open_home(home_url) as home:
        await home.log_in(keys.username, keys.password)
        entry = await ensure_entry(home, url_with_key(ollama_url, keys.gateway), READY_S)
        agent = await ensure_agent(home, entry, Agent(model, context_tokens, can_control), READY_S)
        agent = await retire_older(home, entry, agent, READY_S)
        await prefer_agent(home, agent)
    return agent


def url_with_key(url: str, key: str) -> str:
    """Return the URL that carries the key in its path: this integration has no field for a key before 2026.3."""
    return f"{url.rstrip('/')}/t/{key}"


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()
