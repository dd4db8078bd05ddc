"""A gateway in this process, in front of one Ollama that stands on this machine's loopback."""

import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry

from insula.domain import names
from insula.domain.inference import Inference
from insula.gateway import forwarding
from insula.gateway.admission import PassThrough
from insula.gateway.answers import Answers
from insula.gateway.caching import Caching
from insula.gateway.records import Records
from insula.gateway.remembering import Remembered
from insula.gateway.replicas import Relay, Replicas
from insula.gateway.room import Room
from insula.gateway.server import Gateway
from insula.gateway.tenants import WatchedDirectory
from insula.services.keys import SigningKeys, VerifyKeys

TENANT_ID = "0b5e7f3c-4e0f-4c58-9d3e-1f2a3b4c5d6e"
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Door:
    """Where the gateway listens, and the key that opens it."""

    url: str
    key: str
    directory: WatchedDirectory

    def set_backend(self, *ports: int) -> None:
        """Say where the tenant's Ollama listens; nowhere: it sleeps."""
        self.directory.put_slice(
            {
                "metadata": {"name": "ollama", "namespace": names.namespace("alice"), "labels": {}},
                "addressType": "IPv4",
                "ports": [{"port": port} for port in ports] or [{"port": names.OLLAMA_PORT}],
                "endpoints": [{"addresses": [LOOPBACK]} for _ in ports],
            }
        )


@asynccontextmanager
async def a_door(port: int, inference: Inference) -> AsyncIterator[Door]:
    """Open a gateway for one tenant, whose Ollama listens at `port`."""
    signing, directory, registry = SigningKeys.generate(), WatchedDirectory(), CollectorRegistry()
    directory.replace_slices([])
    directory.replace_namespaces([_namespace(inference)])
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(forwarding.open_session())
        remembered = Remembered(session, time.monotonic)
        stack.push_async_callback(remembered.close)
        gateway = Gateway(
            keys=VerifyKeys.from_json(signing.verify_keys_json()),
            directory=directory,
            admission=PassThrough(),
            session=session,
            remembered=remembered,
            records=Records(structlog.get_logger("test"), registry),
            relay=Relay(Replicas(), session, registry),
            room=Room(registry),
            cache=Caching(Answers(time.monotonic), remembered, registry),
        )
        runner = web.AppRunner(gateway.application(), access_log=None, handler_cancellation=True)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, LOOPBACK, 0).start()
        door = Door(f"http://{LOOPBACK}:{runner.addresses[0][1]}", signing.tenant_key(TENANT_ID, 1), directory)
        door.set_backend(port)
        yield door


def _namespace(inference: Inference) -> dict[str, object]:
    return {
        "metadata": {
            "name": names.namespace("alice"),
            "labels": {names.LABEL_TENANT: "alice", names.LABEL_TENANT_ID: TENANT_ID},
            "annotations": {names.ANNOTATION_INFERENCE: inference.to_text()},
        }
    }
