"""A world for tenants without nodes: the operator with a cluster's rights, and hands that play the controllers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from api import chart
from api.server import ApiServer, eventually
from insula.domain import names
from insula.domain.manifests import Manifest, ObjectRef, reference
from insula.domain.platform import Brake, Images, Platform
from insula.kube.client import Client
from insula.kube.leases import DEFAULT_TIMING, Timing
from insula.operator.leading import PLAN_REPORT_S
from insula.operator.main import run
from insula.operator.settings import Settings

RELEASE = "insula-system"
OPERATOR = f"system:serviceaccount:{RELEASE}:insula-operator"
LEASE = ObjectRef("coordination.k8s.io/v1", "Lease", RELEASE, "insula-operator")
QUICK = Timing(duration_s=2, renew_deadline_s=1.5, retry_s=0.2)
PLATFORM = Platform(
    domain="homes.test",
    images=Images(insula="localhost/insula:1", home_assistant="localhost/ha:1", ollama="localhost/ollama:1"),
    release_namespace=RELEASE,
    issuer_name="tests",
    forbidden_cidrs=("10.0.0.0/8", "192.168.0.0/16"),
    trusted_proxies=("10.244.0.0/16",),
    brake=Brake(homes=10_000),  # what other tests left behind is no mass deletion
)


def rbac() -> list[Manifest]:
    """Return the roles as the chart ships them."""
    return chart.roles()


def a_plan(name: str = "standard", **changes: Any) -> Manifest:
    amounts = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
    defaults = {"resources": amounts, "storageGiB": 10}
    spec = {"defaults": {"homeAssistant": defaults, "ollama": defaults}, "allowedHosts": ["*.free.test"], **changes}
    return {"apiVersion": names.API_VERSION, "kind": "Plan", "metadata": {"name": name}, "spec": spec}


def a_tenant(name: str, **spec: Any) -> Manifest:
    return {
        "apiVersion": names.API_VERSION,
        "kind": "Tenant",
        "metadata": {"name": name},
        "spec": {"owner": f"{name}@example.com", "plan": "standard", **spec},
    }


class World:
    """What a test does to the cluster, and what it waits for."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.made: list[ObjectRef] = []

    async def create(self, tenant: Manifest) -> Manifest:
        """Create a Tenant (or a Plan); it is removed after the test."""
        self.made.append(reference(tenant))
        return await self.client.create(tenant)

    async def tenant(self, name: str) -> Manifest:
        return await self.client.get(ObjectRef(names.API_VERSION, "Tenant", "", name))

    async def namespace(self, name: str) -> Manifest:
        return await self.client.get(ObjectRef("v1", "Namespace", "", names.namespace(name)))

    async def find(self, tenant: str, kind: str, name: str, api_version: str = "v1") -> Manifest | None:
        return await self.client.find(ObjectRef(api_version, kind, names.namespace(tenant), name))

    async def wait_for(self, tenant: str, kind: str, name: str, api_version: str = "v1") -> Manifest:
        found = await eventually(lambda: self.find(tenant, kind, name, api_version))
        assert found is not None
        return found

    async def wait_gone(self, tenant: str, kind: str, name: str, api_version: str = "v1") -> None:
        async def is_gone() -> bool:
            return await self.find(tenant, kind, name, api_version) is None

        await eventually(is_gone)

    async def condition(self, name: str, kind: str) -> Manifest:
        status = (await self.tenant(name)).get("status", {})
        return next((each for each in status.get("conditions", []) if each["type"] == kind), {})

    async def wait_condition(self, name: str, kind: str, status: str, reason: str = "") -> Manifest:
        async def holds() -> Manifest:
            tenant = await self.tenant(name)
            found = await self.condition(name, kind)
            assert found.get("observedGeneration") == tenant["metadata"]["generation"], found
            assert found["status"] == status, found
            assert reason in ("", found["reason"]), found
            return found

        return await eventually(holds)

    async def start_pod(self, workload: Manifest, **status: Any) -> ObjectRef:
        """Play the controller and the kubelet: make the workload's pod and say how it is."""
        namespace, template = workload["metadata"]["namespace"], workload["spec"]["template"]
        owner = {key: workload[key] for key in ("apiVersion", "kind")}
        owner |= {key: workload["metadata"][key] for key in ("name", "uid")} | {"controller": True}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{workload['metadata']['name']}-{workload['metadata']['uid'][:5]}",
                "namespace": namespace,
                "labels": template["metadata"]["labels"],
                "annotations": template["metadata"].get("annotations", {}),
                "ownerReferences": [owner],
            },
            "spec": template["spec"],
        }
        await self.client.create(pod)
        await self.say(reference(pod), **status)
        return reference(pod)

    async def say(self, ref: ObjectRef, **status: Any) -> None:
        """Play whoever reports about an object."""
        await self.client.merge_patch(ref, {"status": status}, subresource="status")

    async def bring_up(self, name: str, *, models: dict[str, str] | None = None) -> None:
        """Play everything that a cluster would do until the home is ready."""
        for claim in (names.HOME_ASSISTANT_CONFIG, names.OLLAMA_MODELS):
            held = await self.wait_for(name, "PersistentVolumeClaim", claim)
            await self.say(reference(held), phase="Bound")
        house = await self.wait_for(name, "Deployment", names.HOME_ASSISTANT, "apps/v1")
        await self.start_pod(house, **a_running_pod(names.HOME_ASSISTANT, claimed=True))
        ollama = await self.wait_for(name, "Deployment", names.OLLAMA, "apps/v1")
        await self.start_pod(ollama, **a_running_pod(names.OLLAMA))
        certificate = await self.wait_for(name, "Certificate", names.HOME_ASSISTANT, "cert-manager.io/v1")
        await self.say(reference(certificate), conditions=[{"type": "Ready", "status": "True"}])
        if models:
            await self.finish_job(name, names.PULL, f'{{"models": {_json(models)}}}')
            await self.finish_job(name, names.CONVERSE, '{"agent": "conversation.ollama"}')

    async def finish_job(self, tenant: str, name: str, message: str) -> None:
        """Play a Job that does its work."""
        await self.end_job(await self.wait_for(tenant, "Job", name, "batch/v1"), message)

    async def end_job(self, job: Manifest, message: str) -> None:
        """Play the pod of a Job that ends well with a message, and the Job's controller."""
        container = job["spec"]["template"]["spec"]["containers"][0]["name"]
        ended = {"exitCode": 0, "message": message, "reason": "Completed", "finishedAt": "2026-01-01T00:00:00Z"}
        state = {"name": container, "state": {"terminated": ended}, **_BARE_STATE}
        await self.start_pod(job, phase="Succeeded", containerStatuses=[state])
        done = [
            {"type": kind, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
            for kind in ("SuccessCriteriaMet", "Complete")
        ]
        start, end = "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"
        await self.say(reference(job), startTime=start, completionTime=end, succeeded=1, conditions=done)

    async def remove_all(self) -> None:
        """Delete what the test made and wait until no Tenant is left."""
        for ref in reversed(self.made):
            await self.client.delete(ref)


_BARE_STATE = {"image": "x", "imageID": "x", "ready": False, "restartCount": 0}


def a_running_pod(name: str, *, claimed: bool = False) -> dict[str, Any]:
    """Return the status of a pod whose main container answers, after a claim that went well."""
    started = "2026-01-01T00:00:00Z"
    main = {**_BARE_STATE, "name": name, "ready": True, "state": {"running": {"startedAt": started}}}
    ended = {"exitCode": 0, "message": '{"claimed": true}', "reason": "Completed"}
    claim = {**_BARE_STATE, "name": "claim", "ready": True, "state": {"terminated": ended}}
    return {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [main],
        "initContainerStatuses": [claim] if claimed else [],
    }


def some_settings(identity: str, platform: Platform = PLATFORM, *, timing: Timing = DEFAULT_TIMING) -> Settings:
    return Settings(platform, RELEASE, host="127.0.0.1", port=0, identity=identity, timing=timing)


@contextlib.asynccontextmanager
async def operating(
    server: ApiServer, identity: str = "first", *, platform: Platform = PLATFORM
) -> AsyncIterator["asyncio.Task[None]"]:
    """Run an operator with the rights that the chart gives it; it stops in good order, unless cancelled before."""
    stop = asyncio.Event()
    settings = some_settings(identity, platform)
    task = asyncio.create_task(run(settings, server.access_of(OPERATOR, "system:authenticated"), stop))
    try:
        yield task
    finally:
        stop.set()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def writes_of_operator(server: ApiServer) -> list[str]:
    """Return the operator's writes so far but for its Lease, as "verb path"."""
    return [
        f"{each['verb']} {each['requestURI'].partition('?')[0]}"
        for each in server.writes()
        if each["user"]["username"] == OPERATOR and "/leases" not in each["requestURI"]
    ]


async def settled(server: ApiServer, *, quiet_s: float = 2.5 * PLAN_REPORT_S) -> list[str]:
    """Wait until the operator has written nothing for a while, a Plan's paced status included; return all it wrote."""
    before: list[str] | None = None
    while (now := writes_of_operator(server)) != before:
        before = now
        await asyncio.sleep(quiet_s)
    return now


def _json(value: dict[str, str]) -> str:
    return "{" + ", ".join(f'"{key}": "{text}"' for key, text in value.items()) + "}"
