"""What the tests of a whole sandbox live in: its command line, its cluster, and tenants as a test sees them."""

import base64
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import aiohttp
from yarl import URL

from insula.cli import cluster as persons_cluster
from insula.cli import home as door_opener
from insula.domain import names
from insula.domain.errors import InsulaError
from insula.domain.manifests import Manifest
from insula.homeassistant.connection import HomeAssistant
from insula.sandbox.builds import product
from insula.sandbox.cluster import Cluster
from insula.sandbox.layout import Layout
from insula.services import asking
from insula.services.asking import Account

T = TypeVar("T")

LAYOUT: Final = Layout.default()
MODEL: Final = product.MODEL
QUESTION: Final = "What is the capital of France?"

# A home is ready in about 12 s on two idle cores; the cores are rarely idle.
READY_S: Final = 240.0
LOOK_EVERY_S: Final = 0.5
ROUTE_S: Final = 10.0  # from a home that is ready to a route that leads to it


def insula(
    *words: str, check: bool = True, stdin: str = "", timeout_s: float = 600
) -> subprocess.CompletedProcess[str]:
    """Run a command of Insula's as a person would, on the sandbox's cluster."""
    done = subprocess.run(
        [sys.executable, "-m", "insula", *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env={**os.environ, "KUBECONFIG": str(LAYOUT.kubeconfig)},
        check=False,
    )
    if check:
        assert done.returncode == 0, f"insula {' '.join(words)} ended with {done.returncode}:\n{done.stderr}"
    return done


def until(what: str, look: Callable[[], T | None], *, timeout_s: float = READY_S, every_s: float = LOOK_EVERY_S) -> T:
    """Look again and again until there is something true to see, and return it; a look that fails sees nothing."""
    deadline, why = time.monotonic() + timeout_s, ""
    while time.monotonic() < deadline:
        try:
            if found := look():
                return found
        except InsulaError as error:
            why = str(error)
        time.sleep(every_s)
    raise AssertionError(f"not within {timeout_s:.0f} s: {what} {why}".rstrip())


@dataclass(frozen=True)
class Home:
    """One tenant of the sandbox."""

    name: str
    cluster: Cluster

    @property
    def namespace(self) -> str:
        return names.namespace(self.name)

    @property
    def host(self) -> str:
        return f"ha.{self.name}.{LAYOUT.domain}"

    @property
    def identity(self) -> str:
        return str(self.cluster.get("namespace", self.namespace)["metadata"]["labels"][names.LABEL_TENANT_ID])

    @property
    def address(self) -> str:
        """Where the ingress listens."""
        points = self.get("ingress", names.HOME_ASSISTANT)["status"]["loadBalancer"]["ingress"]
        return str(points[0]["ip"])

    def exists(self) -> bool:
        return bool(self.cluster.kubectl("get", "tenant", self.name, "--ignore-not-found", "-o", "name"))

    def has_namespace(self) -> bool:
        return bool(self.cluster.kubectl("get", "namespace", self.namespace, "--ignore-not-found", "-o", "name"))

    def get(self, kind: str, name: str) -> Manifest:
        return self.cluster.get(kind, name, "-n", self.namespace)

    def secret(self, name: str) -> dict[str, str]:
        return {key: base64.b64decode(value).decode() for key, value in self.get("secret", name)["data"].items()}

    @property
    def key(self) -> str:
        """The key with which this home speaks to the gateway."""
        return self.secret(names.SECRET_GATEWAY_KEY)["key"]

    @property
    def resident(self) -> Account:
        secret = self.secret(names.SECRET_RESIDENT_ACCOUNT)
        return Account(secret["username"], secret["password"])

    def pods(self, component: str) -> list[Manifest]:
        """Return the component's pods that are not on their way out."""
        chosen = f"{names.LABEL_COMPONENT}={component}"
        pods = self.cluster.get("pods", "-n", self.namespace, "-l", chosen)["items"]
        return [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]

    def ready_pod(self, component: str, *, other_than: str = "") -> Manifest:
        """Wait for the component's ready pod, of another UID than `other_than`, and return it."""

        def look() -> Manifest | None:
            ready = (pod for pod in self.pods(component) if is_ready(pod) and pod["metadata"]["uid"] != other_than)
            return next(ready, None)

        return until(f"a ready pod {component} of {self.name}", look)

    def condition(self, kind: str) -> Manifest:
        """Return one condition of the Tenant, {} where it was not spoken of."""
        found = self.cluster.get("tenant", self.name).get("status", {}).get("conditions", [])
        return next((each for each in found if each["type"] == kind), {})

    def wait(self) -> None:
        insula("tenant", "wait", self.name, "--timeout", str(READY_S))

    def ask(self, text: str = QUESTION) -> dict[str, Any]:
        return dict(json.loads(insula("tenant", "ask", self.name, text, "-v", "-o", "json").stdout))

    def inside(self, script: str, *words: str, timeout_s: float = 90) -> Any:
        """Run a script in Home Assistant's container, with her place in the network, and return the JSON it prints."""
        where = ("exec", "-n", self.namespace, f"deployment/{names.HOME_ASSISTANT}", "-c", names.HOME_ASSISTANT)
        return json.loads(self.cluster.kubectl(*where, "--", "python3", "-c", script, *words, timeout_s=timeout_s))

    @contextlib.asynccontextmanager
    async def entered(self, account: Account | None = None) -> AsyncIterator[HomeAssistant]:
        """Log in through the ingress, as the platform or as somebody else."""
        async with persons_cluster.connect() as client:
            door = await asking.find_door(client, self.name)
            account = account or await asking.platform_account(client, self.name)
        connector = aiohttp.TCPConnector(ssl=door_opener.trust(door.ca_pem), resolver=door_opener.resolver(door))
        async with aiohttp.ClientSession(connector=connector) as session:
            home = HomeAssistant(session, URL(door.url))
            await home.wait_until_listening(ROUTE_S)
            await home.log_in(account.username, account.password)
            yield home


def is_ready(thing: Manifest) -> bool:
    """Say whether a pod or node is Ready."""
    conditions = thing.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def create(home: Home, *words: str) -> None:
    """Create a tenant and wait until it answers."""
    owner = f"{home.name}@example.com"
    insula("tenant", "create", home.name, "--owner", owner, *words, "--wait", "--timeout", str(READY_S))


def purge(home: Home, *, wait: bool) -> None:
    """Remove a tenant with all its data, whatever is left of it."""
    if home.exists() or home.has_namespace():
        insula("tenant", "delete", home.name, "--purge", "--yes", *(["--wait"] if wait else []))
