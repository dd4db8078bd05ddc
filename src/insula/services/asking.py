"""Ask a tenant's Home Assistant a question as a person would: through its own address, with the platform's account."""

import asyncio
import base64
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

from insula.domain import names
from insula.domain.errors import InsulaError, NotFoundError, RefusedError, UnavailableError
from insula.domain.manifests import Manifest, ObjectRef
from insula.services import tenancy, tracing

TRACE_PATIENCE_S: Final = 3.0  # a gateway's log line reaches the API server a moment after the answer


@dataclass(frozen=True)
class Account:
    """A login at a Home Assistant; the password stays out of `repr`."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Door:
    """Where a tenant's home is reached: its host name, the address behind it, and a CA to trust beside the system's.

    An empty address leaves the name to DNS; an empty `ca_pem` adds no authority.
    """

    host: str
    address: str
    ca_pem: str

    @property
    def url(self) -> str:
        """The URL a browser opens."""
        return f"https://{self.host}"


class Home(Protocol):
    """A logged-in Home Assistant."""

    async def default_agent(self) -> str:
        """Return the entity id of the conversation agent of the preferred pipeline."""

    async def ask(self, text: str, agent: str) -> str:
        """Say something to an agent and return its answer; raises RefusedError where it answers with an error."""


# Opens a door, logs in, and closes the connection in the end.
LogIn = Callable[[Door, Account], AbstractAsyncContextManager[Home]]


class Cluster(tenancy.Cluster, tracing.Logs, Protocol):
    """What asking needs from Kubernetes."""


@dataclass(frozen=True)
class Answer:
    """An answer and how it came. `seconds` by stage; `trace` is None where the gateway's log could not be read."""

    tenant: str
    text: str
    agent: str
    seconds: Mapping[str, float]
    trace: tracing.Trace | None


async def ask(cluster: Cluster, log_in: LogIn, name: str, text: str, *, with_trace: bool) -> Answer:
    """Ask a tenant's default agent and return its answer.

    Raises:
        NotFoundError: There is no such tenant.
        UnavailableError: The home does not answer now; the message says why, as far as the cluster knows.
    """
    tenant = tenancy.view(await tenancy.look(cluster, name))
    if tenant.suspended:
        raise UnavailableError(f"{name} is suspended", remedy=f"`insula tenant resume {name} --wait` wakes the home")
    door, account = await find_door(cluster, name), await platform_account(cluster, name)
    before = await _seen(cluster, name) if with_trace else None
    start = time.monotonic()
    try:
        async with log_in(door, account) as home:
            agent = await home.default_agent()
            entered = time.monotonic()
            reply = await home.ask(text, agent)
            answered = time.monotonic()
    except (UnavailableError, RefusedError) as error:
        raise await _explain(cluster, name, str(error.message)) from error
    seconds = {"login": entered - start, "answer": answered - entered}
    trace = await _trace(cluster, name, before) if before is not None else None
    return Answer(name, reply.strip(), agent, seconds, trace)


async def find_door(cluster: tenancy.Cluster, name: str) -> Door:
    """Return where a tenant's home is reached.

    Raises:
        UnavailableError: There is no route yet.
    """
    space = names.namespace(name)
    ingress = await cluster.find(ObjectRef("networking.k8s.io/v1", "Ingress", space, names.HOME_ASSISTANT))
    if ingress is None:
        raise await _explain(cluster, name, f"{name}'s home has no route yet")
    certificate = await cluster.find(ObjectRef("v1", "Secret", space, names.HOME_ASSISTANT_TLS))
    return Door(ingress["spec"]["rules"][0]["host"], _address(ingress), _text(certificate, "ca.crt"))


async def platform_account(cluster: tenancy.Cluster, name: str) -> Account:
    """Return the platform's account at a tenant's Home Assistant."""
    return await _account(cluster, name, names.SECRET_PLATFORM_ACCOUNT)


async def resident_account(cluster: tenancy.Cluster, name: str) -> Account:
    """Return the resident's account with its initial password; the resident may have changed it since."""
    return await _account(cluster, name, names.SECRET_RESIDENT_ACCOUNT)


async def initial_login(cluster: tenancy.Cluster, log_in: LogIn, name: str) -> Account:
    """Return the resident's account with its initial password, if the home still takes it.

    Raises:
        NotFoundError: There is no such tenant, or its account is not made yet.
        RefusedError: The resident has chosen another password, which nobody but the resident knows.
        UnavailableError: The home does not answer now.
    """
    await tenancy.look(cluster, name)
    account = await resident_account(cluster, name)
    try:
        async with log_in(await find_door(cluster, name), account):
            return account
    except RefusedError as error:
        raise RefusedError(
            f"{name}'s home does not take the initial password any more: its resident has chosen another one",
            remedy="an administrator of the home can set a new one under Settings → People",
        ) from error


async def _account(cluster: tenancy.Cluster, name: str, secret_name: str) -> Account:
    space = names.namespace(name)
    secret = await cluster.find(ObjectRef("v1", "Secret", space, secret_name))
    if secret is None:
        raise NotFoundError(
            f"there is no Secret {secret_name} in namespace {space}",
            remedy=f"the operator makes it; `insula tenant show {name}` says how far the home is",
        )
    return Account(_text(secret, "username"), _text(secret, "password"))


def _text(secret: Manifest | None, key: str) -> str:
    encoded = (secret or {}).get("data", {}).get(key, "")
    return base64.b64decode(encoded).decode()


def _address(ingress: Manifest) -> str:
    points = ingress.get("status", {}).get("loadBalancer", {}).get("ingress", [])
    return next((str(point["ip"]) for point in points if point.get("ip")), "")


async def _explain(cluster: tenancy.Cluster, name: str, complaint: str) -> UnavailableError:
    """Return an error that adds to a complaint what the cluster knows about its cause."""
    remedy = f"`insula tenant show {name}` shows its conditions"
    try:
        cause, cure = await _cause(cluster, name)
    except InsulaError:  # the explanation must not hide the complaint
        return UnavailableError(complaint, remedy=remedy)
    return UnavailableError(f"{complaint}: {cause}" if cause else complaint, remedy=cure or remedy)


async def _cause(cluster: tenancy.Cluster, name: str) -> tuple[str, str]:
    """Return why a home does not answer and what helps, each "" where nothing is known."""
    ollama = await cluster.find(ObjectRef("apps/v1", "Deployment", names.namespace(name), names.OLLAMA))
    if ollama is not None:
        if ollama.get("spec", {}).get("replicas", 1) == 0:
            return f"{name}'s Ollama is at zero replicas, it sleeps", f"`insula tenant resume {name} --wait` wakes it"
        if not ollama.get("status", {}).get("readyReplicas", 0):
            return f"{name}'s Ollama has no ready pod", f"`insula tenant show {name}` shows what it waits for"
    obstacle = tenancy.view(await tenancy.look(cluster, name)).obstacle
    return (f"{obstacle.type}: {obstacle.message} ({obstacle.reason})" if obstacle else ""), ""


async def _seen(cluster: Cluster, name: str) -> frozenset[str] | None:
    """Return the ids of the requests that the gateways know already; None where their log may not be read."""
    try:
        return frozenset(each.request_id for each in await tracing.requests(cluster, name))
    except InsulaError:  # a person who may ask need not be allowed to read the gateway's log
        return None


async def _trace(cluster: Cluster, name: str, before: frozenset[str]) -> tracing.Trace | None:
    """Return the latest request that was not there before: clocks of two machines are never compared."""
    deadline = time.monotonic() + TRACE_PATIENCE_S
    while True:
        found = [each for each in await tracing.requests(cluster, name) if each.request_id not in before]
        if found or time.monotonic() > deadline:
            return found[-1] if found else None
        await asyncio.sleep(0.2)
