"""The door itself: each request goes key → tenant → path → cache → wake → admission → stream, and leaves a record."""

import asyncio
import math
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import aiohttp
import structlog
from aiohttp import web

from insula.gateway import admission, auth, clamping, errors, forwarding, heartbeats, paths, prompts, pulling, wire
from insula.gateway.admission import Admission
from insula.gateway.batches import Batches, NoBatches
from insula.gateway.caching import Cache, NoCache
from insula.gateway.errors import ForbiddenError, GatewayError, TooManyFailuresError, UnauthorizedError, UpstreamError
from insula.gateway.failed_keys import FailedKeys
from insula.gateway.metering import Meter, Unmetered
from insula.gateway.passes import Pass
from insula.gateway.paths import Endpoint, Handling
from insula.gateway.prompts import Prompt
from insula.gateway.records import CLIENT_GONE_STATUS, Exchange, Outcome, Records
from insula.gateway.remembering import Remembered
from insula.gateway.replicas import Relay
from insula.gateway.room import Room
from insula.gateway.tenants import Directory, TenantRoute
from insula.gateway.waking import AlwaysAwake, Waking
from insula.services import logs

# How long a prompt may wait at another replica before its answer begins.
LONGEST_QUEUE_S: Final = 600.0
REQUEST_ID_HEADER: Final = "X-Insula-Request-Id"

_log = structlog.get_logger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


def _new_request_id() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """Answers requests. All that it needs is given to it, so that a test can give it less."""

    keys: auth.Verifier
    directory: Directory
    admission: Admission
    session: aiohttp.ClientSession
    remembered: Remembered
    records: Records
    relay: Relay
    room: Room
    failed_keys: FailedKeys = field(default_factory=lambda: FailedKeys(time.monotonic))
    meter: Meter = field(default_factory=Unmetered)
    cache: Cache = field(default_factory=NoCache)
    batches: Batches = field(default_factory=NoBatches)
    own: Pass = field(default_factory=Pass)
    waking: Waking = field(default_factory=AlwaysAwake)
    upload_s: float = prompts.UPLOAD_S
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = _now
    new_request_id: Callable[[], str] = _new_request_id

    def application(self) -> web.Application:
        """Return the aiohttp application that serves every path and method."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.handle)
        return application

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, whatever happens, and leave one record of it."""
        exchange = Exchange(self.relay.hop(request) or self.new_request_id(), request.method, self.clock)
        exchange.headers[REQUEST_ID_HEADER] = exchange.request_id
        with logs.context(request_id=exchange.request_id), self.records.in_flight.track_inprogress():
            try:
                return await self._answer(request, exchange)
            except GatewayError as error:
                return await _refuse(request, exchange, error)
            except (forwarding.ClientGoneError, ConnectionError):
                _note_gone(exchange)
                # What aiohttp does itself when it sees a client leave; any other error it would log as ours.
                raise asyncio.CancelledError from None
            except asyncio.CancelledError:
                _note_gone(exchange)
                raise
            except Exception:
                _log.exception("request_failed", path=exchange.path)
                fault = GatewayError("the gateway failed; its log knows more under this request id")
                return await _refuse(request, exchange, fault)
            finally:
                self.records.write(exchange)

    async def _answer(self, request: web.BaseRequest, exchange: Exchange) -> web.StreamResponse:
        asked = auth.credential(request.raw_path.partition("?")[0], request.headers)
        exchange.openai = paths.is_openai(asked.path)
        route = self.own.route(request.headers, self.directory) or self._authenticate(asked.key, request.remote or "")
        exchange.tenant, exchange.tenant_id = route.name, route.tenant_id
        structlog.contextvars.bind_contextvars(tenant=route.name)
        # Only now: what an unknown caller writes in a path is not worth a line of ours.
        exchange.path = asked.path[:128]
        endpoint = paths.find(request.method, asked.path)
        if endpoint is None:
            raise ForbiddenError(paths.refusal(request.method, asked.path))
        exchange.endpoint = endpoint.name
        if endpoint.handling is Handling.INFER:
            with self.room.place(route.tenant_id) as take:
                prompt = await prompts.read(request, endpoint, asked.path, take=take, within_s=self.upload_s)
                answer = await self.relay.send(
                    request, exchange, route.group, prompt, limit_s=route.inference.answer_s + LONGEST_QUEUE_S
                )
                return answer or await self._infer(request, exchange, route, prompt)
        return await self._tell(request, exchange, route, endpoint, asked.path)

    def _authenticate(self, key: str, peer: str) -> TenantRoute:
        try:
            return auth.authenticate(key, self.keys, self.directory, peer=peer, now=self.now())
        except UnauthorizedError as error:
            raise self.failed_keys.note(peer, error) from error

    async def _infer(
        self, request: web.BaseRequest, exchange: Exchange, route: TenantRoute, prompt: Prompt
    ) -> web.StreamResponse:
        """Answer what uses the model: in its turn, streamed, accounted."""
        exchange.bytes_in = len(prompt.body)
        route = self.meter.judge(route, exchange)
        prompt = clamping.clamp(prompt, route.inference)
        return await self.cache.answer(
            request,
            exchange,
            route,
            prompt,
            lambda: self.waking.answer(
                request,
                exchange,
                route,
                prompt,
                lambda awake: self._compute(request, exchange, awake, prompt),
            ),
        )

    async def _compute(
        self, request: web.BaseRequest, exchange: Exchange, route: TenantRoute, prompt: Prompt
    ) -> web.StreamResponse:
        """Have a prompt answered by its Ollama."""
        async with self.admission.admit(route, prompt, exchange) as backend:
            with self.meter.charge(route, prompt, exchange):
                answer = await forwarding.forward(
                    request,
                    body=prompt.body,
                    backend=backend,
                    path=prompt.path,
                    session=self.session,
                    exchange=exchange,
                    limit_s=route.inference.answer_s,
                )
        if exchange.outcome is Outcome.ANSWERED:
            # The client has its answer already, and may be gone at any moment: this completes the record from memory.
            model = exchange.figures().model
            exchange.model_digest = await self.remembered.digest(route, model, fresh_s=math.inf) if model else ""
        return answer

    async def _tell(
        self, request: web.BaseRequest, exchange: Exchange, route: TenantRoute, endpoint: Endpoint, path: str
    ) -> web.StreamResponse:
        """Answer what asks about models and the server: at once, for it computes nothing."""
        if endpoint.handling is Handling.REMEMBER:
            said = await self.remembered.tell(route, path)
            headers = {"Content-Type": said.content_type}
            return await _send(request, web.Response(status=said.status, body=said.body, headers=headers), exchange)
        if endpoint.handling is Handling.PULL:
            asked = await pulling.read(request)
            response = pulling.answer(asked, await self.remembered.digest(route, asked.model))
            return await _send(request, response, exchange)
        if endpoint.handling is Handling.BATCH:
            with self.room.place(route.tenant_id) as take:
                return await _send(request, await self.batches.answer(request, route, path, take), exchange)
        backend = admission.backend_of(route)
        with self.room.place(route.tenant_id) as take:
            body = await prompts.read_body(request, take=take, within_s=self.upload_s)
            exchange.bytes_in = len(body)
            return await forwarding.forward(
                request, body=body, backend=backend, path=path, session=self.session, exchange=exchange
            )


async def _send(request: web.BaseRequest, response: web.Response, exchange: Exchange) -> web.Response:
    """Send an answer of the gateway's own."""
    exchange.status = response.status
    exchange.bytes_out = len(response.body) if isinstance(response.body, bytes) else 0
    response.headers.update({**wire.SERVER, **exchange.headers})
    await response.prepare(request)
    await response.write_eof()
    exchange.finish()
    return response


async def _refuse(request: web.BaseRequest, exchange: Exchange, error: GatewayError) -> web.StreamResponse:
    exchange.status = error.status
    exchange.outcome = Outcome.BROKEN_OFF if isinstance(error, UpstreamError) else Outcome.REFUSED
    exchange.reason = error.message
    exchange.logged = not isinstance(error, TooManyFailuresError)
    exchange.tenant = exchange.tenant or error.tenant
    begun = await heartbeats.refuse(request, exchange, error)
    if begun is not None:
        return begun
    headers = errors.headers(error) | {"Content-Type": wire.JSON_TYPE, **wire.SERVER, **exchange.headers}
    return web.Response(status=error.status, body=errors.body(error, openai=exchange.openai), headers=headers)


def _note_gone(exchange: Exchange) -> None:
    if exchange.finished is not None:
        return  # it left with its whole answer
    exchange.status, exchange.outcome = CLIENT_GONE_STATUS, Outcome.CLIENT_GONE
