"""A resident at the door: logs in to Home Assistant through the ingress and says a sentence, as the frontend does."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from insula.services.asking import Account, Door

ANSWER_TIMEOUT_S: Final = 120.0


@dataclass(frozen=True)
class Answer:
    """What was said, and by whom: the engine of the pipeline that answered."""

    text: str
    engine: str


class _At(AbstractResolver):
    """Finds every name at one address, so that no DNS and no /etc/hosts is needed."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the one address."""
        family = socket.AF_INET6 if ":" in self._address else family
        return [
            ResolveResult(hostname=host, host=self._address, port=port, family=family, proto=0, flags=0),
        ]

    async def close(self) -> None:
        """Nothing to close."""


@asynccontextmanager
async def session(door: Door, address: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a client that trusts the home's authority and finds its host at an address."""
    context = ssl.create_default_context(cadata=door.ca_pem or None)
    connector = aiohttp.TCPConnector(ssl=context, resolver=_At(address))
    timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S)
    async with aiohttp.ClientSession(door.url, connector=connector, timeout=timeout, raise_for_status=True) as client:
        yield client


async def log_in(client: aiohttp.ClientSession, door: Door, account: Account) -> str:
    """Log in with name and password and return an access token."""
    client_id = door.url + "/"
    flow = await _post(
        client,
        "/auth/login_flow",
        {"client_id": client_id, "handler": ["homeassistant", None], "redirect_uri": client_id},
    )
    names = {"client_id": client_id, "username": account.username, "password": account.password}
    done = await _post(client, f"/auth/login_flow/{flow['flow_id']}", names)
    if done.get("type") != "create_entry":
        raise RuntimeError(f"the login was refused: {done.get('errors') or done.get('type')}")
    form = {"grant_type": "authorization_code", "code": done["result"], "client_id": client_id}
    async with client.post("/auth/token", data=form) as response:
        return str((await response.json())["access_token"])


async def say(client: aiohttp.ClientSession, token: str, text: str) -> Answer:
    """Say a sentence to the preferred pipeline, from words to words."""
    async with asyncio.timeout(ANSWER_TIMEOUT_S), client.ws_connect("/api/websocket") as socket_:
        await socket_.receive_json()
        await socket_.send_json({"type": "auth", "access_token": token})
        if (await socket_.receive_json())["type"] != "auth_ok":
            raise RuntimeError("the websocket refused the token")
        ask = {"id": 1, "type": "assist_pipeline/run", "start_stage": "intent", "end_stage": "intent"}
        await socket_.send_json(ask | {"input": {"text": text}})
        engine = ""
        while True:
            message = await socket_.receive_json()
            if message.get("success") is False:
                raise RuntimeError(f"the pipeline did not start: {message.get('error')}")
            event = message.get("event", {})
            if event.get("type") == "intent-start":
                engine = str(event["data"].get("engine", ""))
            elif event.get("type") == "intent-end":
                return Answer(_speech(event["data"]), engine)
            elif event.get("type") == "error":
                raise RuntimeError(f"the pipeline failed: {event.get('data')}")


def _speech(data: dict[str, Any]) -> str:
    response = data["intent_output"]["response"]
    text = str(response["speech"]["plain"]["speech"]).strip()
    if response["response_type"] == "error":
        raise RuntimeError(f"the agent failed: {text}")
    return text


async def _post(client: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> dict[str, Any]:
    async with client.post(path, json=body) as response:
        document: dict[str, Any] = await response.json()
        return document
