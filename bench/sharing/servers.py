"""Ollamas as homes have them, each in a namespace of its own under Pod Security `restricted`, without the homes.

The objects are the product's own. They bear no tenant's label, so that no operator takes them for a home.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import orjson

from insula.domain import names
from insula.domain.manifests import Manifest, ObjectRef
from insula.domain.models import ModelForm, ModelImage
from insula.domain.platform import Platform
from insula.domain.quantities import Resources
from insula.domain.tenants import HomeAssistant, Ollama, Tenant
from insula.kube import kinds
from insula.kube.client import Client
from insula.kube.requests import Request
from insula.reconcile import reading
from insula.render import accounts, jobs, ollama, storage

READY_S: Final = 240.0
LOOK_EVERY_S: Final = 0.1
VOLUME_GIB: Final = 2
# Ten stand on a small node at once.
RESOURCES: Final = Resources(cpu_request_m=5, cpu_limit_m=2000, memory_request_mib=64, memory_limit_mib=2048)


def a_tenant(number: int, image: ModelImage, form: ModelForm) -> Tenant:
    """Return a tenant that has one model in a form."""
    shared = (image,) if form is ModelForm.IMAGE else ()
    server = Ollama(RESOURCES, VOLUME_GIB, models=(image.model,), model_form=form, shared=shared)
    home = HomeAssistant(RESOURCES, VOLUME_GIB)
    return Tenant(f"models-{form}-{number}", "bench@example.com", "bench", home, server, "bench.example.com")


async def start(client: Client, tenant: Tenant, platform: Platform) -> float:
    """Start a tenant's Ollama with its model; return the seconds that the pull Job took, 0 without one."""
    space = namespace(tenant)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    await client.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space, "labels": labels}}, manager="bench"
    )
    for each in _objects(tenant, platform):
        await client.apply(_elsewhere(each, space), manager="bench")
    await _ready_pod(client, space)
    if tenant.ollama.model_form is ModelForm.IMAGE:
        return 0.0
    began = time.monotonic()
    job = _elsewhere(jobs.pull(tenant, platform, "bench"), space)
    await client.apply(job, manager="bench")
    await _until_complete(client, ObjectRef("batch/v1", "Job", space, names.PULL))
    return time.monotonic() - began


async def load(client: Client, tenant: Tenant) -> None:
    """Have the Ollama load its model and keep it."""
    space = namespace(tenant)
    pod = await _ready_pod(client, space)
    name = f"http:{pod['metadata']['name']}:{names.OLLAMA_PORT}"
    body = orjson.dumps({"model": tenant.ollama.models[0], "keep_alive": -1, "stream": False})
    path = f"/api/v1/namespaces/{space}/pods/{name}/proxy/api/generate"
    await client.json(Request("create", "pods", "POST", path, {}, "application/json", body))


async def remove(client: Client, tenants: list[Tenant]) -> None:
    """Remove what `start` made, and wait until it is gone."""
    spaces = [ObjectRef("v1", "Namespace", "", namespace(tenant)) for tenant in tenants]
    for space in spaces:
        await client.delete(space)
    async with asyncio.timeout(READY_S):
        for space in spaces:
            while await client.find(space) is not None:  # noqa: ASYNC110 - not in any figure
                await asyncio.sleep(0.5)


def namespace(tenant: Tenant) -> str:
    """Return the namespace of a tenant here."""
    return f"bench-{tenant.name}"


def _objects(tenant: Tenant, platform: Platform) -> Iterator[Manifest]:
    yield from accounts.service_accounts(tenant.name)
    yield from (each for each in storage.volumes(tenant, platform) if each["metadata"]["name"] == names.OLLAMA_MODELS)
    yield ollama.deployment(tenant, replace(platform, node_selector=()))


def _elsewhere(manifest: Manifest, space: str) -> Manifest:
    """Return an object without the tenant's label, in another namespace."""
    bare = _without(manifest, names.LABEL_TENANT)
    metadata: Manifest = bare["metadata"] | {"namespace": space}
    return {**bare, "metadata": metadata}


def _without(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _without(each, key) for name, each in value.items() if name != key}
    return [_without(each, key) for each in value] if isinstance(value, list) else value


async def _ready_pod(client: Client, space: str) -> Manifest:
    selector = f"{names.LABEL_COMPONENT}={names.OLLAMA}"
    async with asyncio.timeout(READY_S):
        while True:
            pods = await client.list(kinds.of("v1", "Pod"), namespace=space, selector=selector)
            for pod in pods.items:
                if reading.holds(pod, "Ready") and not reading.is_leaving(pod):
                    return pod
            await asyncio.sleep(LOOK_EVERY_S)


async def _until_complete(client: Client, job: ObjectRef) -> None:
    async with asyncio.timeout(READY_S):
        while not reading.holds(await client.get(job), "Complete"):  # noqa: ASYNC110 - a tenth of a second of seconds
            await asyncio.sleep(LOOK_EVERY_S)
