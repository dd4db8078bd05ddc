"""An API server that knows our kinds, and what the chart brings to it."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import yaml

from api import chart, programs
from api.homes import RELEASE, a_plan, rbac
from api.server import ApiServer, install
from insula.contract import crds
from insula.kube.client import Client

_CERTIFICATE_CRD = Path(__file__).parent / "certificate-crd.yaml"


@contextlib.asynccontextmanager
async def a_server(directory: Path) -> AsyncIterator[ApiServer]:
    """Start an API server that knows our kinds; what an earlier run left in the directory is there again."""
    server = ApiServer(await programs.find(), directory)
    try:
        await server.start()
        async with Client(server.access) as client:
            certificate_crd = yaml.safe_load(_CERTIFICATE_CRD.read_text())
            await install(client, [crds.tenant_crd(), crds.plan_crd(), certificate_crd])
        yield server
    finally:
        server.stop()


async def install_release(client: Client, *, policies: bool = True) -> None:
    """Bring what the chart brings: the release's namespace, the roles, the admission policies, a plan."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": RELEASE}}
    for manifest in (namespace, *rbac(), *(chart.admission() if policies else ()), a_plan()):
        await client.apply(manifest)
