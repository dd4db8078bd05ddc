import datetime
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from insula.cli import home
from insula.domain.errors import RefusedError, UnavailableError
from insula.services.asking import Account, Door

HOST = "ha.alice.insula.test"
ALICE = Account("insula", "sesame")


def a_certificate(directory: Path) -> tuple[str, Path]:
    """Return a self-signed certificate for the host, as PEM, and the file that holds it with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = directory / "server.pem"
    path.write_bytes(pem.encode() + private)
    return pem, path


LATE = web.AppKey("late", list[None])  # how many times more the route says that nobody is behind it


async def flow(request: web.Request) -> web.Response:
    if request.app[LATE]:
        request.app[LATE].pop()
        raise web.HTTPServiceUnavailable(text="no available server")
    return web.json_response({"flow_id": "f1", "type": "form"})


async def step(request: web.Request) -> web.Response:
    body = await request.json()
    if (body["username"], body["password"]) != (ALICE.username, ALICE.password):
        return web.json_response({"type": "form", "step_id": "init", "errors": {"base": "invalid_auth"}})
    return web.json_response({"type": "create_entry", "result": "code"})


async def token(_request: web.Request) -> web.Response:
    return web.json_response({"access_token": "token"})


async def commands(request: web.Request) -> web.WebSocketResponse:
    line = web.WebSocketResponse()
    await line.prepare(request)
    await line.send_json({"type": "auth_required"})
    assert (await line.receive_json())["access_token"] == "token"
    await line.send_json({"type": "auth_ok"})
    command = await line.receive_json()
    pipelines = [
        {"id": "p1", "conversation_engine": "conversation.home_assistant"},
        {"id": "p2", "conversation_engine": "conversation.ollama"},
    ]
    result = {"pipelines": pipelines, "preferred_pipeline": "p2"}
    await line.send_json({"id": command["id"], "type": "result", "success": True, "result": result})
    return line


async def process(request: web.Request) -> web.Response:
    assert request.host.startswith(HOST)
    text = (await request.json())["text"]
    kind = "error" if text == "fail" else "action_done"
    return web.json_response({"response": {"response_type": kind, "speech": {"plain": {"speech": f"heard {text}"}}}})


@pytest.fixture
def late() -> list[None]:
    return []


@pytest.fixture
async def door(tmp_path: Path, late: list[None]) -> AsyncIterator[Door]:
    """A home with its own authority, on a port of this machine."""
    pem, file = a_certificate(tmp_path)
    application = web.Application()
    application[LATE] = late
    application.router.add_post("/auth/login_flow", flow)
    application.router.add_post("/auth/login_flow/f1", step)
    application.router.add_post("/auth/token", token)
    application.router.add_get("/api/websocket", commands)
    application.router.add_post("/api/conversation/process", process)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    yield Door(f"{HOST}:{port}", "127.0.0.1", pem)
    await runner.cleanup()


async def test_a_home_is_asked_at_its_address_by_its_own_name(door: Door) -> None:
    async with home.log_in(door, ALICE) as opened:
        agent = await opened.default_agent()
        assert agent == "conversation.ollama"
        assert await opened.ask("hello", agent) == "heard hello"


async def test_an_error_answer_is_a_refusal(door: Door) -> None:
    async with home.log_in(door, ALICE) as opened:
        with pytest.raises(RefusedError, match="heard fail"):
            await opened.ask("fail", "conversation.ollama")


async def test_a_false_password_is_a_refusal(door: Door) -> None:
    with pytest.raises(RefusedError, match="does not let insula in"):
        async with home.log_in(door, Account("insula", "guess")):
            pass


async def test_a_home_whose_authority_nobody_vouches_for_is_not_spoken_to(door: Door) -> None:
    with pytest.raises(UnavailableError, match="certificate"):
        async with home.log_in(Door(door.host, door.address, ""), ALICE, patience_s=0):
            pass


async def test_a_route_that_does_not_lead_to_the_home_yet_is_tried_again(door: Door, late: list[None]) -> None:
    late += [None, None]
    async with home.log_in(door, ALICE) as opened:
        assert await opened.default_agent() == "conversation.ollama"


async def test_patience_ends_with_what_the_route_said(door: Door, late: list[None]) -> None:
    late += [None] * 9
    with pytest.raises(UnavailableError, match="no available server"):
        async with home.log_in(door, ALICE, patience_s=0.5):
            pass


async def test_a_route_leads_to_no_other_host() -> None:
    route = home.Route(Door(HOST, "192.0.2.1", ""))
    assert (await route.resolve(HOST, 443))[0]["host"] == "192.0.2.1"
    with pytest.raises(OSError, match="is not"):
        await route.resolve("ha.bob.insula.test", 443)
