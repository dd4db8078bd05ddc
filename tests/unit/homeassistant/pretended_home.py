"""A Home Assistant that answers as the real one does (2026.2), as far as our requests go, and remembers."""

import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

PASSWORD = "right"
BUILT_IN = "conversation.home_assistant"


@dataclass
class PretendedHome:
    """`reaches`: URLs under which it finds an Ollama, with the models that are there."""

    reaches: dict[str, set[str]] = field(default_factory=dict)
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    agents: dict[str, dict[str, Any]] = field(default_factory=dict)
    engine: str = BUILT_IN
    changes: list[str] = field(default_factory=list)
    open_flows: dict[str, dict[str, Any]] = field(default_factory=dict)
    says: str = "Paris"
    loads: bool = True
    url: str = ""
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def add_entry(self, url: str, title: str) -> str:
        number = next(self._numbers)
        self.entries[f"entry{number}"] = {"url": url, "title": title, "created_at": number}
        return f"entry{number}"

    # --- REST ---

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path == "/api/websocket":
            return await self._websocket(request)
        if path == "/manifest.json":
            return web.json_response({"name": "Home Assistant"})
        body: dict[str, Any] = {}
        if request.content_type == "application/json" and request.can_read_body:
            body = await request.json()
        if path.startswith("/auth/"):
            return self._log_in(path, body)
        if request.headers.get("Authorization") != "Bearer token":
            return web.json_response({"message": "no"}, status=401)
        return self._api(request, path, body)

    def _log_in(self, path: str, body: Mapping[str, Any]) -> web.Response:
        if path == "/auth/login_flow":
            return web.json_response({"flow_id": "1"})
        if path == "/auth/token":
            return web.json_response({"access_token": "token"})
        if body["password"] != PASSWORD:
            return web.json_response({"type": "form", "step_id": "init", "errors": {"base": "invalid_auth"}})
        return web.json_response({"type": "create_entry", "result": "code"})

    def _api(self, request: web.Request, path: str, body: dict[str, Any]) -> web.Response:
        last = path.rpartition("/")[2]
        if request.method == "DELETE":
            if "/flow/" in path:
                del self.open_flows[last]
            else:
                self._remove(last)
            return web.json_response({})
        if path == "/api/config/config_entries/entry":
            state = "loaded" if self.loads else "setup_retry"
            return web.json_response(
                [
                    {"entry_id": key, "title": entry["title"], "created_at": entry["created_at"], "state": state}
                    for key, entry in self.entries.items()
                ]
            )
        if path.startswith("/api/config/config_entries/flow"):
            return web.json_response(self._entry_flow(last, body))
        if path.startswith("/api/config/config_entries/subentries/flow"):
            return web.json_response(self._agent_flow(last, body))
        return self._talk(path, body)

    def _talk(self, path: str, body: Mapping[str, Any]) -> web.Response:
        last = path.rpartition("/")[2]
        if path == "/api/conversation/process":
            kind = "action_done" if body["agent_id"] in self._entities() else "error"
            speech = {"plain": {"speech": self.says if kind == "action_done" else "invalid agent"}}
            return web.json_response({"response": {"speech": speech, "response_type": kind}})
        if path == "/api/states":
            return web.json_response([{"entity_id": name, "state": "on"} for name in self._entities()])
        if last in self._entities():
            return web.json_response({"entity_id": last, "state": "on"})
        return web.json_response({"message": "Entity not found."}, status=404)

    def _entry_flow(self, last: str, body: dict[str, Any]) -> dict[str, Any]:
        if last == "flow":
            return self._open({}, [])
        if any(entry["url"] == body["url"] for entry in self.entries.values()):
            del self.open_flows[last]
            return {"type": "abort", "reason": "already_configured"}
        if body["url"] not in self.reaches:
            return {"type": "form", "flow_id": last, "errors": {"base": "cannot_connect"}}
        del self.open_flows[last]
        entry_id = self.add_entry(body["url"], body["url"])
        self.changes.append("entry made")
        return {"type": "create_entry", "result": {"entry_id": entry_id}}

    def _agent_flow(self, last: str, body: dict[str, Any]) -> dict[str, Any]:
        if last == "flow":
            present = self.agents.get(body.get("subentry_id", ""), {}).get("data", {})
            schema = [{"name": name, "description": {"suggested_value": value}} for name, value in present.items()]
            return self._open({"entry": body["handler"][0], "agent": body.get("subentry_id")}, schema)
        flow = self.open_flows[last]
        if body["model"] not in self.reaches[self.entries[flow["entry"]]["url"]]:
            return {"type": "progress", "flow_id": last, "step_id": "download"}
        del self.open_flows[last]
        if flow["agent"]:
            self.agents[flow["agent"]]["data"] = body
            self.changes.append("agent changed")
            return {"type": "abort", "reason": "reconfigure_successful"}
        name = body.pop("name")
        entity = f"conversation.{name.lower()}"
        while entity in self._entities():
            entity += "_2"
        agent = {"entry": flow["entry"], "title": name, "data": body, "entity": entity}
        self.agents[f"agent{next(self._numbers)}"] = agent
        self.changes.append("agent made")
        return {"type": "create_entry"}

    def _open(self, flow: dict[str, Any], schema: list[dict[str, Any]]) -> dict[str, Any]:
        flow_id = f"flow{next(self._numbers)}"
        self.open_flows[flow_id] = flow
        return {"type": "form", "flow_id": flow_id, "step_id": "user", "data_schema": schema}

    def _remove(self, entry_id: str) -> None:
        del self.entries[entry_id]
        self.agents = {key: agent for key, agent in self.agents.items() if agent["entry"] != entry_id}
        self.changes.append("entry removed")

    def _entities(self) -> dict[str, str]:
        return {BUILT_IN: ""} | {agent["entity"]: agent["entry"] for agent in self.agents.values()}

    # --- WebSocket ---

    async def _websocket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "auth_required"})
        token = (await socket.receive_json())["access_token"]
        await socket.send_json({"type": "auth_ok" if token == "token" else "auth_invalid"})
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                command = message.json()
                if command["type"] == "assist_pipeline/run":
                    await self._run(socket, command["id"])
                    continue
                result = self._command(command)
                await socket.send_json({"id": command["id"], "type": "result", "success": True, "result": result})
        return socket

    async def _run(self, socket: web.WebSocketResponse, number: int) -> None:
        response = {"speech": {"plain": {"speech": self.says}}, "response_type": "action_done"}
        await socket.send_json({"id": number, "type": "result", "success": True, "result": None})
        for kind, data in (
            ("run-start", {}),
            ("intent-end", {"intent_output": {"response": response}}),
            ("run-end", {}),
        ):
            await socket.send_json({"id": number, "type": "event", "event": {"type": kind, "data": data}})

    def _command(self, command: dict[str, Any]) -> Any:
        match command["type"]:
            case "config_entries/update":
                self.entries[command["entry_id"]]["title"] = command["title"]
            case "config_entries/subentries/list":
                return [
                    {"subentry_id": key, "subentry_type": "conversation", "title": agent["title"]}
                    for key, agent in self.agents.items()
                    if agent["entry"] == command["entry_id"]
                ]
            case "config/entity_registry/list":
                return [{"entity_id": name, "config_entry_id": entry} for name, entry in self._entities().items()]
            case "config/entity_registry/update":
                (agent,) = (one for one in self.agents.values() if one["entity"] == command["entity_id"])
                assert command["new_entity_id"] not in self._entities()
                agent["entity"] = command["new_entity_id"]
                self.changes.append("agent renamed")
            case "assist_pipeline/pipeline/list":
                pipeline = {"id": "p1", "name": "Home", "conversation_engine": self.engine, "stt_engine": None}
                return {"pipelines": [pipeline], "preferred_pipeline": "p1"}
            case "assist_pipeline/pipeline/update":
                self.engine = command["conversation_engine"]
                self.changes.append("assistant changed")
        return None


@asynccontextmanager
async def a_pretended_home() -> AsyncIterator[PretendedHome]:
    home = PretendedHome()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", home.answer)
    async with TestServer(application) as server:
        home.url = f"http://127.0.0.1:{server.port}"
        yield home
