"""A home takes one more model that its node has: how long that takes, and how much of it is the pod's restart."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from insula.domain import names
from insula.domain.conditions import ConditionType
from insula.domain.manifests import Manifest, ObjectRef
from insula.kube import kinds
from insula.kube.client import Client
from insula.reconcile import reading

TENANT: Final = "bench-models"
PLAN: Final = "bench-models"
READY_S: Final = 300.0
LOOK_EVERY_S: Final = 0.02  # so exact are the times


@dataclass(frozen=True)
class Addition:
    """Seconds from the change of the Tenant until its status says that the models are there.

    `platform` is what Insula itself took: until the Deployment is changed, and from the ready pod to the status.
    """

    whole: float
    platform: float

    @property
    def restart(self) -> float:
        """What Kubernetes and Ollama took."""
        return self.whole - self.platform


async def prepare(client: Client) -> None:
    """Make a home that shares models and has none yet, and wait until its Ollama answers."""
    plan = await client.get(ObjectRef(names.API_VERSION, "Plan", "", "standard"))
    spec = plan["spec"] | {"modelForm": "image"}
    await client.apply(_object("Plan", PLAN, spec), manager="bench")
    asked = {"owner": "bench@example.com", "plan": PLAN, "deletionPolicy": "Delete", "ollama": {"models": []}}
    await client.apply(_object("Tenant", TENANT, asked), manager="bench")
    await _until(lambda: _holds(client, ConditionType.READY))


async def remove(client: Client) -> None:
    """Remove the home and its plan, and wait until they are gone."""
    await client.delete(ObjectRef(names.API_VERSION, "Tenant", "", TENANT))
    space = ObjectRef("v1", "Namespace", "", names.namespace(TENANT))

    async def gone() -> bool:
        return await client.find(space) is None

    await _until(gone)
    await client.delete(ObjectRef(names.API_VERSION, "Plan", "", PLAN))


async def measure(client: Client, model: str) -> Addition:
    """Add the model and time it; then take it away again."""
    before = await _template_hash(client)

    async def changed() -> bool:
        return await _template_hash(client) != before

    began = time.monotonic()
    await _wish(client, [model])
    rendered = await _until(changed)
    ready = await _until(lambda: _is_renewed(client))
    told = await _until(lambda: _holds(client, ConditionType.MODELS_READY))
    await _wish(client, [])
    await _until(lambda: _is_settled_without(client, model))
    return Addition(told - began, (rendered - began) + (told - ready))


async def _wish(client: Client, models: list[str]) -> None:
    ref = ObjectRef(names.API_VERSION, "Tenant", "", TENANT)
    await client.merge_patch(ref, {"spec": {"ollama": {"models": models}}})


async def _holds(client: Client, kind: ConditionType) -> bool:
    tenant = await client.get(ObjectRef(names.API_VERSION, "Tenant", "", TENANT))
    condition = reading.condition(tenant, kind)
    is_current = condition.get("observedGeneration") == tenant["metadata"]["generation"]
    return is_current and condition.get("status") == "True"


async def _is_settled_without(client: Client, model: str) -> bool:
    tenant = await client.get(ObjectRef(names.API_VERSION, "Tenant", "", TENANT))
    held = [each["name"] for each in reading.status(tenant).get("models") or ()]
    return model not in held and await _is_renewed(client)


async def _is_renewed(client: Client) -> bool:
    """Say whether the one pod was made of the present template and is ready."""
    selector = f"{names.LABEL_COMPONENT}={names.OLLAMA}"
    pods = await client.list(kinds.of("v1", "Pod"), namespace=names.namespace(TENANT), selector=selector)
    present = [pod for pod in pods.items if not reading.is_leaving(pod)]
    wanted = await _template_hash(client)
    return any(reading.rendered_hash(pod) == wanted and reading.holds(pod, "Ready") for pod in present)


async def _template_hash(client: Client) -> str:
    deployment = await client.get(ObjectRef("apps/v1", "Deployment", names.namespace(TENANT), names.OLLAMA))
    return str(reading.rendered_hash(deployment["spec"]["template"]))


async def _until(look: Callable[[], Awaitable[bool]]) -> float:
    """Look again and again until it is so, and return when that was."""
    async with asyncio.timeout(READY_S):
        while not await look():  # noqa: ASYNC110 - the API is asked, and nothing in this process tells
            await asyncio.sleep(LOOK_EVERY_S)
    return time.monotonic()


def _object(kind: str, name: str, spec: dict[str, Any]) -> Manifest:
    return {"apiVersion": names.API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
