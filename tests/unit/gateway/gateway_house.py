"""What the gateway's tests live in: a directory of two tenants, an Ollama that says what it is told, a gateway."""

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry

from insula.domain import names
from insula.domain.activity import SleepState
from insula.domain.errors import ConflictError, NotFoundError, UnavailableError
from insula.domain.inference import Inference
from insula.domain.manifests import Manifest, ObjectRef
from insula.domain.times import written_precisely
from insula.gateway import forwarding
from insula.gateway.activities import Activities
from insula.gateway.admission import Admission, FairAdmission
from insula.gateway.answers import Answers
from insula.gateway.batches import Batches, NoBatches
from insula.gateway.caching import Caching
from insula.gateway.claims import Claims
from insula.gateway.metering import Meter, Unmetered
from insula.gateway.passes import Pass
from insula.gateway.prompts import UPLOAD_S
from insula.gateway.records import Records
from insula.gateway.remembering import KEPT_BYTES, Remembered
from insula.gateway.replicas import Relay, Replicas
from insula.gateway.room import CAPACITY_BYTES, Room
from insula.gateway.rousing import LIMIT_S, Rouser
from insula.gateway.server import Gateway
from insula.gateway.tenants import WatchedDirectory
from insula.gateway.waking import Patience, Waker
from insula.services import logs
from insula.services.keys import SigningKeys, VerifyKeys

ALICE = "0b5e7f3c-4e0f-4c58-9d3e-1f2a3b4c5d6e"
BOB = "1c6f8a4d-5f1a-4d69-8e4f-2a3b4c5d6e7f"
DIGEST = "a" * 64
SLOTS = 4
KEPT_S = 0.2  # how long an Ollama keeps a connection that nobody uses, so that a test need not wait for it
LAST_LINE = {
    "model": "gemma3:270m",
    "message": {"role": "assistant", "content": ""},
    "done": True,
    "done_reason": "stop",
    "total_duration": 1_500_000_000,
    "load_duration": 100_000_000,
    "prompt_eval_count": 12,
    "prompt_eval_duration": 200_000_000,
    "eval_count": 34,
    "eval_duration": 1_200_000_000,
}


def a_namespace(
    tenant: str,
    tenant_id: str,
    *,
    generation: str = "1",
    grace: str = "",
    created: str = "2026-01-01T00:00:00Z",
    inference: Inference | None = None,
    annotations: dict[str, str] | None = None,
) -> Manifest:
    of_grace = {names.ANNOTATION_KEY_GRACE: grace} if grace else {}
    of_plan = {names.ANNOTATION_INFERENCE: inference.to_text()} if inference else {}
    return {
        "metadata": {
            "name": names.namespace(tenant),
            "creationTimestamp": created,
            "labels": {names.LABEL_TENANT: tenant, names.LABEL_TENANT_ID: tenant_id},
            "annotations": {names.ANNOTATION_KEY_GENERATION: generation} | of_grace | of_plan | (annotations or {}),
        }
    }


def a_slice(tenant: str, *addresses: str, port: int = 11434, ready: bool | None = True) -> Manifest:
    return {
        "metadata": {
            "name": "ollama-backend-x",
            "namespace": names.namespace(tenant),
            "labels": {names.LABEL_COMPONENT: names.OLLAMA},
        },
        "addressType": "IPv4",
        "ports": [{"port": port}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": ready}} for address in addresses],
    }


def a_home_slice(tenant: str, *addresses: str, ready: bool | None = True) -> Manifest:
    manifest = a_slice(tenant, *addresses, port=names.HOME_ASSISTANT_PORT, ready=ready)
    labels = {names.LABEL_COMPONENT: names.HOME_ASSISTANT}
    return manifest | {"metadata": manifest["metadata"] | {"name": "home-assistant-x", "labels": labels}}


@dataclass
class FakeLeases:
    """The API server's Leases, of one home: it refuses what was judged of another version, and can be away."""

    lease: Manifest | None = None
    is_away: bool = False
    told: Callable[[Manifest], None] = lambda _lease: None
    states: list[str] = field(default_factory=list)
    written: asyncio.Event = field(default_factory=asyncio.Event)

    async def get(self, ref: ObjectRef) -> Manifest:
        if self.is_away:
            raise UnavailableError("the API server is away")
        if self.lease is None:
            raise NotFoundError("no such Lease")
        return self.lease

    async def merge_patch(self, ref: ObjectRef, patch: Any) -> Manifest:
        lease = await self.get(ref)
        if patch["metadata"]["resourceVersion"] != lease["metadata"]["resourceVersion"]:
            raise ConflictError("another version")
        self.states.append(patch["spec"]["holderIdentity"])
        self.write(**patch["spec"])
        self.written.set()
        return self.lease or lease

    def write(self, *, obstacle: str | None = None, tell: bool = True, **spec: str) -> None:
        """Write as the operator does; without `tell` the gateway's watch is late."""
        version = int(self.lease["metadata"]["resourceVersion"]) + 1 if self.lease else 1
        before = self.lease["spec"] if self.lease else {}
        marks = self.lease["metadata"]["annotations"] if self.lease else {}
        metadata = {
            "name": names.ACTIVITY,
            "namespace": names.namespace("alice"),
            "resourceVersion": str(version),
            "annotations": marks if obstacle is None else {names.ANNOTATION_OBSTACLE: obstacle},
        }
        self.lease = {"metadata": metadata, "spec": before | spec}
        if tell:
            self.told(self.lease)

    def say(self, state: SleepState, *, idle_s: float = 0, tell: bool = True) -> None:
        """Write a state and since when nobody has asked."""
        when = written_precisely(datetime.now(UTC) - timedelta(seconds=idle_s))
        self.write(holderIdentity=state.value, renewTime=when, tell=tell)


@dataclass
class FakeOllama:
    """Answers with `chunks`, waiting for `gate` before the last one; notes what it was asked and who left early."""

    chunks: list[bytes] = field(default_factory=lambda: [b'{"done":false}\n', json.dumps(LAST_LINE).encode() + b"\n"])
    content_type: str = "application/x-ndjson"
    status: int = 200
    gate: asyncio.Event | None = None
    break_off: bool = False
    drops: int = 0  # how many prompts it still drops before a byte
    dropped: asyncio.Event = field(default_factory=asyncio.Event)
    models: tuple[str, ...] = ("gemma3:270m",)
    asked: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    abandoned: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.raw_path))
        self.headers.append(dict(request.headers))
        if request.path == "/api/tags":
            models = [{"name": name, "model": name, "digest": DIGEST} for name in self.models]
            return web.json_response({"models": models})
        self.bodies.append(await request.read())
        if self.drops and request.transport is not None:
            self.drops -= 1
            if not self.drops:
                self.dropped.set()
            request.transport.abort()
            return web.Response()
        response = web.StreamResponse(
            status=self.status, headers={"Content-Type": self.content_type, "X-Own": "yes", "Keep-Alive": "timeout=5"}
        )
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        try:
            for number, chunk in enumerate(self.chunks):
                if self.gate is not None and number == len(self.chunks) - 1:
                    self.started.set()
                    await self.gate.wait()
                await response.write(chunk)
            if self.break_off and request.transport is not None:
                await asyncio.sleep(0.05)
                request.transport.abort()
        except asyncio.CancelledError:
            self.abandoned.set()
            raise
        return response


@dataclass
class House:
    """A running gateway with Alice's Ollama behind it, and what it logged."""

    url: str
    ollama: FakeOllama
    signing: SigningKeys
    directory: WatchedDirectory
    registry: CollectorRegistry
    client: aiohttp.ClientSession
    lines: io.StringIO
    cache: Caching
    leases: FakeLeases

    def ready(self, *, ready: bool = True) -> None:
        """Let the watch tell that Alice's Ollama is ready, or not any more."""
        self.directory.put_slice(a_slice("alice", "127.0.0.1", port=self.ollama.port, ready=ready))

    @property
    def key(self) -> str:
        return self.signing.tenant_key(ALICE, 1)

    def ask(self, method: str, path: str, *, key: str | None = None, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.key if key is None else key}"}
        headers.update(more.pop("headers", {}))
        return self.client.request(method, self.url + path, headers=headers, **more)

    def logged(self, event: str = "request_done") -> list[dict[str, Any]]:
        return [line for line in map(json.loads, self.lines.getvalue().splitlines()) if line["event"] == event]

    async def logged_soon(self, count: int = 1) -> list[dict[str, Any]]:
        async with asyncio.timeout(60):
            while len(self.logged()) < count:  # noqa: ASYNC110 - a text buffer has no event to wait for
                await asyncio.sleep(0.01)
        return self.logged()


@asynccontextmanager
async def serving(
    application: web.Application, host: str = "127.0.0.1", port: int = 0, *, keepalive_timeout: float = 75.0
) -> AsyncIterator[int]:
    runner = web.AppRunner(
        application,
        handler_cancellation=True,
        access_log=None,
        shutdown_timeout=1.0,
        keepalive_timeout=keepalive_timeout,
    )
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def a_house(
    ollama: FakeOllama | None = None,
    *,
    synced: bool = True,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    kept_bytes: int = KEPT_BYTES,
    inference: Inference | None = None,
    admission: Admission | None = None,
    meter: Meter | None = None,
    batches: Batches | None = None,
    own: Pass | None = None,
    upload_s: float = UPLOAD_S,
    room_bytes: int = CAPACITY_BYTES,
    replicas: Replicas | None = None,
    signing: SigningKeys | None = None,
    leases: FakeLeases | None = None,
    patience: Patience | None = None,
    limit_s: float = LIMIT_S,
    host: str = "127.0.0.1",
) -> AsyncIterator[House]:
    ollama = ollama or FakeOllama()
    signing, replicas = signing or SigningKeys.generate(), replicas or Replicas()
    activities, leases = Activities(), leases or FakeLeases()
    leases.told = activities.put
    directory, lines, registry = WatchedDirectory(on_change=activities.tell), io.StringIO(), CollectorRegistry()
    logs.configure(json=True, stream=lines)
    behind = web.Application(client_max_size=2**27)
    behind.router.add_route("*", "/{path:.*}", ollama.handle)
    async with (
        serving(behind, keepalive_timeout=KEPT_S) as ollama.port,
        forwarding.open_session() as session,
        aiohttp.ClientSession() as client,
    ):
        alice = a_namespace("alice", ALICE, inference=inference)
        directory.put_namespace(alice)
        directory.put_slice(a_slice("alice", "127.0.0.1", port=ollama.port))
        if synced:
            directory.replace_slices([a_slice("alice", "127.0.0.1", port=ollama.port)])
            directory.replace_namespaces([alice, a_namespace("bob", BOB)])
        remembered = Remembered(session, clock, kept_bytes=kept_bytes)
        cache = Caching(Answers(clock), remembered, registry)
        claims = Claims(leases, activities)
        rouser = Rouser(directory, activities, claims, session, registry, limit_s=limit_s)
        waker = Waker(directory, activities, claims, rouser, patience=patience or Patience())
        door = Gateway(
            keys=VerifyKeys.from_json(signing.verify_keys_json()),
            directory=directory,
            admission=admission or FairAdmission(SLOTS, directory, registry, clock),
            session=session,
            remembered=remembered,
            records=Records(structlog.get_logger("test"), registry),
            relay=Relay(replicas, session, registry, clock),
            room=Room(registry, capacity=room_bytes),
            meter=meter or Unmetered(),
            batches=batches or NoBatches(),
            own=own or Pass(),
            upload_s=upload_s,
            cache=cache,
            waking=waker,
            clock=clock,
            now=now,
        )
        async with serving(door.application(), host, replicas.port) as port:
            yield House(f"http://{host}:{port}", ollama, signing, directory, registry, client, lines, cache, leases)
            await waker.close()
            await claims.close()
            await remembered.close()
