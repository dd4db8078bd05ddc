"""A cluster without nodes that an operator works on: API server, etcd, and what the chart brings."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from api.homes import LEASE, RELEASE, a_plan, a_tenant
from api.installed import a_server, install_release
from api.server import ApiServer
from insula.contract import resolve, values
from insula.domain import names
from insula.domain.manifests import Manifest
from insula.domain.platform import Platform
from insula.domain.situation import Memory, Situation
from insula.kube import kinds, requests
from insula.kube.client import Client
from insula.kube.config import Access
from insula.reconcile.model import SecretKind
from insula.render.stack import stack

MODEL: Final = "gemma3:270m"
OURS: Final = "insula-bench"  # the service account of this measurement
OPERATORS: Final = "insula-operator"
TOKEN_S: Final = 48 * 3600  # the longest measurement takes hours
PREFIX: Final = "home-"  # of the tenants that a ladder counts
# A platform as the chart describes one, with its own ranges.
VALUES: Final[Mapping[str, Any]] = {
    "domain": "homes.test",
    "images": {"insula": "localhost/insula:1", "homeAssistant": "localhost/ha:1", "ollama": "localhost/ollama:1"},
    "releaseNamespace": RELEASE,
    "issuer": {"name": "tests"},
    "isolation": {"probeEveryHours": 0},  # a home whose walls are tried at its hour is not at rest
    "network": {
        "forbiddenCIDRs": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"],
        "trustedProxies": ["10.0.0.0/8"],
    },
}

Place = tuple[str, str]  # an object of a home: kind, name


class World:
    """A running API server and one connection to it as its administrator."""

    def __init__(self, server: ApiServer, client: Client, directory: Path, operators_access: Access) -> None:
        self.server = server
        self.client = client
        self.directory = directory
        self.operators_access = operators_access

    def platform_file(self) -> Path:
        """Write the platform's settings where an operator reads them."""
        path = self.directory / "platform.yaml"
        path.write_text(yaml.safe_dump(dict(VALUES)))
        return path


@contextlib.asynccontextmanager
async def begun(directory: Path) -> AsyncIterator[World]:
    """Start the programs in a directory; what an earlier run left in it is there again."""
    # Without the admission policies, which the figures leave out.
    async with a_server(directory) as server:
        async with Client(server.access) as administrator:
            await install_release(administrator, policies=False)
            await administrator.apply(_rights_of_ours())
            await administrator.delete(LEASE)  # of an operator that an earlier run had
            ours, operators = [await log_in(server, administrator, name) for name in (OURS, OPERATORS)]
        async with Client(ours) as client:
            yield World(server, client, directory, operators)


def _rights_of_ours() -> Manifest:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": OURS},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": OURS, "namespace": RELEASE}],
    }


async def log_in(server: ApiServer, administrator: Client, name: str) -> Access:
    """Return the access of a service account by a token, as a pod has it: a certificate is checked at every call."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": RELEASE}}
    await administrator.apply(account, manager="bench")
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": TOKEN_S}}
    path = requests.path_of(kinds.of("v1", "ServiceAccount"), RELEASE, name, "token")
    body = json.dumps(asked).encode()
    answer = await administrator.json(
        requests.Request("create", "serviceaccounts/token", "POST", path, {}, "application/json", body)
    )
    return Access(server.access.server, ca_pem=server.access.ca_pem, token=answer["status"]["token"])


def name_of(number: int) -> str:
    """Return the name of a tenant by its number, from 1."""
    return f"{PREFIX}{number:05d}"


def tenant(name: str) -> Manifest:
    """Return a Tenant as a person would write it, with one model."""
    return a_tenant(name, ollama={"models": [MODEL]})


def platform() -> Platform:
    """Return the platform that `VALUES` describe."""
    return values.platform_from_yaml(yaml.safe_dump(dict(VALUES)))


def manifests(name: str, *, whole: bool = False) -> list[Manifest]:
    """Return what is rendered for a new home, and in a `whole` one for its two Jobs and its route, too."""
    manifest = tenant(name)
    spec = resolve.resolve_tenant(manifest, resolve.resolve_plan(a_plan()), platform())
    fill = {"route": True, "pull": "volume", "converse": "conversation"} if whole else {}
    situation = Situation(name, "00000000-0000-0000-0000-000000000000", Memory(), spec, **fill)  # type: ignore[arg-type]
    rendered = stack(situation, platform())
    return [*rendered.ground, *rendered.house]


def objects(*, whole: bool = False) -> frozenset[Place]:
    """Return the objects of a home: rendered ones and Secrets. See `manifests`."""
    name = name_of(1)
    rendered = {
        (each["kind"], "" if each["kind"] == "Namespace" else each["metadata"]["name"])
        for each in manifests(name, whole=whole)
    }
    return frozenset(rendered | {("Secret", kind.value) for kind in SecretKind})


def tenant_of(namespace: str) -> str:
    """Return the tenant whose namespace this is, empty if it is nobody's."""
    return namespace.removeprefix(names.NAMESPACE_PREFIX) if namespace.startswith(names.NAMESPACE_PREFIX) else ""
