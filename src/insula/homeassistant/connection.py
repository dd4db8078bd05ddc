"""The line to one Home Assistant: its login, REST calls, and commands over its WebSocket."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
from yarl import URL

from insula.domain.errors import InsulaError, NotFoundError, RefusedError, UnavailableError, cap

ANSWER_S: Final = 30.0
# Commands and their answers are small; the largest is the list of entities.
MESSAGE_LIMIT_BYTES: Final = 16 << 20
LOOK_EVERY_S: Final = 0.1
# Some networks drop what is sent to a Service whose pod is not ready; the kernel would try again after 1, 3, 7 seconds.
KNOCK_S: Final = 0.25
CLIENT_ERROR: Final = 400
SERVER_ERROR: Final = 500


@asynccontextmanager
async def open_home(url: str) -> AsyncIterator["HomeAssistant"]:
    """Open the Home Assistant at `url`, such as `http://home-assistant:8123`. Nothing is sent yet."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S)) as session:
        yield HomeAssistant(session, URL(url))


class HomeAssistant:
    """One Home Assistant. Methods raise UnavailableError when it does not answer and RefusedError when it says no."""

    def __init__(self, session: aiohttp.ClientSession, url: URL) -> None:
        self._session = session
        self._url = url.origin()
        self._client_id = f"{self._url}/"
        self._token = ""

    async def wait_until_listening(self, timeout_s: float) -> None:
        """Wait for the web server, which answers before anything else does.

        Raises:
            UnavailableError: It did not answer in `timeout_s`.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    try:
                        await self.call("GET", "/manifest.json", connect_s=KNOCK_S)
                    except UnavailableError:
                        await asyncio.sleep(LOOK_EVERY_S)
                    else:
                        return
        except TimeoutError as error:
            raise UnavailableError(f"Home Assistant at {self._url} did not answer in {timeout_s:.0f} s") from error

    async def log_in(self, username: str, password: str) -> None:
        """Log in; the calls that follow are this user's, for half an hour.

        Raises:
            RefusedError: Home Assistant does not accept the name and password.
        """
        redirect = {"client_id": self._client_id, "redirect_uri": f"{self._client_id}?auth_callback=1"}
        flow = await self.call("POST", "/auth/login_flow", redirect | {"handler": ["homeassistant", None]})
        answers = {"client_id": self._client_id, "username": username, "password": password}
        step = await self.call("POST", f"/auth/login_flow/{flow['flow_id']}", answers)
        if step.get("type") != "create_entry":
            what = step.get("errors", {}).get("base") or step.get("reason") or step.get("step_id")
            raise RefusedError(
                f"Home Assistant does not let {username} in: {cap(str(what))}",
                remedy="restart the home-assistant pod: it makes the platform's account anew",
            )
        grant = {"grant_type": "authorization_code", "code": step["result"], "client_id": self._client_id}
        self._token = (await self.call("POST", "/auth/token", form=grant))["access_token"]

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        form: dict[str, str] | None = None,
        timeout_s: float = ANSWER_S,
        connect_s: float | None = None,
    ) -> Any:
        """Send one REST request and return its JSON answer.

        Args:
            method: The HTTP method.
            path: The path, from the root.
            body: What is sent as JSON.
            form: What is sent as a form instead.
            timeout_s: Longest time for the whole, in seconds.
            connect_s: Longest time to be connected, in seconds; None: as long as for the whole.

        Raises:
            NotFoundError: Home Assistant answered 404.
        """
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        url, timeout = self._url.join(URL(path)), aiohttp.ClientTimeout(total=timeout_s, sock_connect=connect_s)
        try:
            async with self._session.request(
                method, url, json=body, data=form, headers=headers, timeout=timeout
            ) as answer:
                if answer.status >= CLIENT_ERROR:
                    raise _refusal(path, answer.status, await answer.text())
                return await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise UnavailableError(f"Home Assistant at {self._url} did not answer: {cap(str(error))}") from error

    @asynccontextmanager
    async def commands(self) -> AsyncIterator["Commands"]:
        """Open the WebSocket as the user who is logged in."""
        try:
            async with self._session.ws_connect(
                self._url / "api/websocket", max_msg_size=MESSAGE_LIMIT_BYTES, heartbeat=ANSWER_S
            ) as socket:
                await socket.receive_json()
                await socket.send_json({"type": "auth", "access_token": self._token})
                if (await socket.receive_json())["type"] != "auth_ok":
                    raise RefusedError(f"Home Assistant at {self._url} does not accept our token any more")
                yield Commands(socket)
        except (aiohttp.ClientError, TimeoutError, TypeError) as error:  # TypeError: closed instead of JSON
            raise UnavailableError(f"Home Assistant at {self._url} hung up: {cap(str(error))}") from error


class Commands:
    """Home Assistant's WebSocket, one command at a time."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)

    async def send(self, kind: str, **fields: Any) -> Any:
        """Send a command and return its result.

        Raises:
            RefusedError: Home Assistant says no.
        """
        number = await self._send(kind, fields)
        while True:
            message = await self._socket.receive_json(timeout=ANSWER_S)
            if message.get("id") == number and message["type"] == "result":
                if not message["success"]:
                    raise RefusedError(f"Home Assistant refused {kind}: {cap(str(message['error'].get('message')))}")
                return message["result"]

    async def events(self, kind: str, *, timeout_s: float, **fields: Any) -> AsyncIterator[dict[str, Any]]:
        """Send a command that answers with events, and yield these; the caller stops when it has what it wants."""
        number = await self._send(kind, fields)
        async with asyncio.timeout(timeout_s):
            while True:
                message = await self._socket.receive_json()
                if message.get("id") != number:
                    continue
                if message["type"] == "event":
                    yield message["event"]
                elif not message.get("success", True):
                    raise RefusedError(f"Home Assistant refused {kind}: {cap(str(message['error'].get('message')))}")

    async def _send(self, kind: str, fields: dict[str, Any]) -> int:
        number = next(self._ids)
        await self._socket.send_json({"id": number, "type": kind, **fields})
        return number


def _refusal(path: str, status: int, text: str) -> InsulaError:
    what = f"Home Assistant answered {status} to {path}: {cap(text)}"
    if status == 404:  # noqa: PLR2004
        return NotFoundError(what)
    return UnavailableError(what) if status >= SERVER_ERROR else RefusedError(what)
