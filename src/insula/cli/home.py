"""Open a tenant's home from a person's machine: at the route's address, by its own name, with its own authority."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from insula.domain.errors import UnavailableError
from insula.homeassistant import assist
from insula.homeassistant.connection import HomeAssistant
from insula.services.asking import Account, Door, Home

CONNECT_S: Final = 10.0
# A route leads to a home a few seconds after the home is ready: ingress controllers gather changes before they act.
ROUTE_PATIENCE_S: Final = 10.0
LOOK_EVERY_S: Final = 0.3
ANSWER_S: Final = assist.TALK_S


@contextlib.asynccontextmanager
async def log_in(door: Door, account: Account, *, patience_s: float = ROUTE_PATIENCE_S) -> AsyncIterator[Home]:
    """Open a home and log in; the connection closes with the context.

    Args:
        door: Where the home is.
        account: Who logs in.
        patience_s: For how many seconds nothing behind the door may answer.

    Raises:
        UnavailableError: Nothing answers at the door, or not the home that is meant.
        RefusedError: Home Assistant does not accept the account.
    """
    connector = aiohttp.TCPConnector(ssl=trust(door.ca_pem), resolver=resolver(door))
    timeout = aiohttp.ClientTimeout(total=ANSWER_S, sock_connect=CONNECT_S)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        home = HomeAssistant(session, URL(door.url))
        await _log_in(home, account, patience_s)
        yield _Home(home)


async def _log_in(home: HomeAssistant, account: Account, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return await home.log_in(account.username, account.password)
        except UnavailableError:
            if time.monotonic() >= deadline:
                raise
            await asyncio.sleep(LOOK_EVERY_S)


class _Home:
    """A logged-in home as `services.asking` wants it."""

    def __init__(self, home: HomeAssistant) -> None:
        self._home = home

    async def default_agent(self) -> str:
        async with self._home.commands() as commands:
            known = await commands.send("assist_pipeline/pipeline/list")
        engines = {each["id"]: str(each["conversation_engine"]) for each in known["pipelines"]}
        if known["preferred_pipeline"] not in engines:
            raise UnavailableError("Home Assistant has no preferred assistant yet")
        return engines[known["preferred_pipeline"]]

    async def ask(self, text: str, agent: str) -> str:
        return await assist.ask(self._home, text, agent=agent)


def trust(ca_pem: str) -> ssl.SSLContext:
    """Return whom we believe: the system's authorities and, if it has one, the home's own."""
    context = ssl.create_default_context()
    if ca_pem:
        context.load_verify_locations(cadata=ca_pem)
    return context


def resolver(door: Door) -> AbstractResolver:
    """Return what finds the door's address: the route's own where it has one, else DNS."""
    return Route(door) if door.address else aiohttp.ThreadedResolver()


class Route(AbstractResolver):
    """Knows one host: names under the sandbox's domain are in nobody's DNS."""

    def __init__(self, door: Door) -> None:
        self._address = door.address
        self._name = URL(door.url).host

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the route's address for the door's host, and nothing for any other."""
        if host != self._name:
            raise OSError(f"{host} is not {self._name}")
        kind = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        return [
            ResolveResult(
                hostname=host, host=self._address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST
            )
        ]

    async def close(self) -> None:
        """Nothing is held open."""
