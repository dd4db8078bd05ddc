"""Tenants, plans, platforms and a small world for tests: `a_tenant(suspended=True)`, `World()`."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from insula.domain import activity, names
from insula.domain.activity import Activity
from insula.domain.errors import InvalidSpecError
from insula.domain.gpu import Gpu
from insula.domain.inference import Inference
from insula.domain.manifests import Manifest, ObjectRef, reference
from insula.domain.models import ModelImage
from insula.domain.platform import Images, Opening, Platform, PodPeer
from insula.domain.quantities import Resources
from insula.domain.situation import Memory, Situation
from insula.domain.tenants import HomeAssistant, Ollama, Tenant
from insula.reconcile.decide import decide
from insula.reconcile.model import Decision, Observed, PullProgress
from insula.render.stack import stack

NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)
MODEL = "gemma3:270m"
TENANT_UID = "0b0e2f4c-5a55-4b5e-9d0b-1f0d6c1e0a11"
CONFIG_UID = "uid-of-home-assistant-config"
MODELS_UID = "uid-of-ollama-models"
SHARED_MODELS = (
    ModelImage(MODEL, f"registry.test/model-images/library/gemma3@sha256:{'1' * 64}", f"sha256:{'a' * 64}", 253 << 20),
    ModelImage(
        "qwen3:8b", f"registry.test/model-images/library/qwen3@sha256:{'2' * 64}", f"sha256:{'b' * 64}", 5 << 30
    ),
)
GREEN = '{"tried": 7, "seen": [], "open": [], "shut": []}'


def some_resources(cpu_m: int = 1000, memory_mib: int = 1024) -> Resources:
    return Resources(cpu_m // 4, cpu_m, memory_mib // 2, memory_mib)


def a_tenant(
    name: str = "alice",
    *,
    models: tuple[str, ...] = (MODEL,),
    gpu: int = 0,
    device: Gpu | None = None,
    home_assistant: Mapping[str, Any] | None = None,
    ollama: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Tenant:
    """Return a tenant as it is resolved; `home_assistant` and `ollama` replace single fields of these two."""
    home = HomeAssistant(resources=some_resources(), storage_gib=10)
    model_server = Ollama(
        resources=some_resources(2000, 2048), storage_gib=20, models=models, gpu=gpu, device=device or Gpu()
    )
    basics: dict[str, Any] = {
        "name": name,
        "owner": f"{name}@example.com",
        "plan": "standard",
        "home_assistant": replace(home, **(home_assistant or {})),
        "ollama": replace(model_server, **(ollama or {})),
        "host": f"ha.{name}.example.com",
    }
    return Tenant(**(basics | fields))


def a_sleeper(after_s: int = 600, **fields: Any) -> Tenant:
    """Return a tenant whose Ollama sleeps after so long without a prompt."""
    return a_tenant(ollama={"inference": Inference(sleep_after_s=after_s)}, **fields)


def a_platform(**fields: Any) -> Platform:
    basics: dict[str, Any] = {
        "domain": "example.com",
        "images": Images("registry.test/insula:1", "registry.test/home-assistant:1", "registry.test/ollama:1"),
        "release_namespace": "insula-system",
        "ingress_controller": PodPeer("traefik", (("app.kubernetes.io/name", "traefik"),)),
        "issuer_name": "letsencrypt",
        "forbidden_cidrs": ("10.0.0.0/8", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7"),
        "trusted_proxies": ("10.244.0.0/16",),
    }
    return Platform(**(basics | fields))


def a_platform_without_internet() -> Platform:
    """Return a platform as a machine of one's own has it: its own registry, its own package index."""
    return a_platform(
        model_registry_url="http://registry.models.svc:5000",
        model_registry_pods=PodPeer("models", (("app", "registry"),)),
        package_index_url="http://10.99.0.1:3141/simple/",
        package_index_opening=Opening("10.99.0.1/32", 3141),
    )


def a_situation(tenant: Tenant | None = None, **fields: Any) -> Situation:
    tenant = tenant or a_tenant()
    basics: dict[str, Any] = {
        "name": tenant.name,
        "tenant_id": TENANT_UID,
        "memory": Memory(tenant_uid=TENANT_UID),
        "tenant": tenant,
    }
    return Situation(**(basics | fields))


def a_tenant_object(name: str = "alice", uid: str = TENANT_UID, generation: int = 1) -> Manifest:
    return {
        "apiVersion": names.API_VERSION,
        "kind": "Tenant",
        "metadata": {"name": name, "uid": uid, "generation": generation},
        "spec": {"owner": f"{name}@example.com", "plan": "standard"},
    }


@dataclass
class World:
    """A cluster with one tenant, simulated as far as decisions see it: apply merges, delete removes, time stands."""

    desired: Tenant | None = field(default_factory=a_tenant)
    platform: Platform = field(default_factory=a_platform)
    tenant: Manifest | None = field(default_factory=a_tenant_object)
    rejection: InvalidSpecError | None = None
    latched: Tenant | None = None
    namespace: Manifest | None = None
    objects: dict[ObjectRef, Manifest] = field(default_factory=dict)
    secrets: dict[str, Manifest] = field(default_factory=dict)
    host_claims: dict[str, str] = field(default_factory=dict)
    progress: PullProgress | None = None
    hold: str = ""
    neighbour: str = ""
    waiting: Tenant | None = None
    waiting_spec: str = ""
    own_change: bool = True
    may_restart: bool = True
    used_gpu_s: float = 0.0
    now: datetime = NOW
    accepted_spec: str = '{"tenant": {}, "plan": {}}'
    name: str = "alice"

    def observe(self) -> Observed:
        return Observed(
            tenant=self.tenant,
            desired=self.desired if self.tenant and not self.rejection else None,
            rejection=self.rejection,
            accepted_spec=self.accepted_spec,
            latched=self.latched,
            namespace=self.namespace,
            objects=dict(self.objects),
            secrets=dict(self.secrets),
            host_claims=self.host_claims,
            pull_progress=self.progress,
            hold=self.hold,
            neighbour=self.neighbour,
            waiting=self.waiting,
            waiting_spec=self.waiting_spec,
            own_change=self.own_change,
            may_restart=self.may_restart,
            used_gpu_s=self.used_gpu_s,
        )

    def decide(self) -> Decision:
        return decide(self.name, self.observe(), self.platform, render=stack, now=self.now)

    def step(self) -> Decision:
        """Decide once and carry it out."""
        decision = self.decide()
        for manifest in (*decision.ground, *decision.apply):
            self._apply(manifest)
        for wish in decision.create_secrets:
            metadata = {"name": wish.ref.name, "annotations": dict(wish.annotations), "labels": dict(wish.labels)}
            self.secrets[wish.ref.name] = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
        for ref in decision.delete:
            self._delete(ref)
        if decision.activity is not None:
            self.write_lease(decision.activity)
        if decision.status is not None and self.tenant is not None:
            self.tenant = self.tenant | {"status": decision.status}
        return decision

    def settle(self) -> "World":
        """Decide and carry out until there is nothing more to do.

        Raises:
            AssertionError: The decisions do not come to rest.
        """
        for _ in range(12):
            if self.step().is_empty:
                return self
        raise AssertionError(f"no rest: {self.decide()}")

    def pass_time(self, seconds: float) -> "World":
        self.now += timedelta(seconds=seconds)
        return self

    def stamp(self) -> str:
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    # What a person does.

    def forget_tenant(self) -> "World":
        self.tenant = None
        return self

    def create_again(self, *, uid: str = "another-uid", **spec: Any) -> "World":
        self.tenant = a_tenant_object(self.name, uid=uid)
        self.desired = a_tenant(self.name, **spec)
        return self

    # What Kubernetes does.

    def bind_volumes(self) -> "World":
        for ref, manifest in self.objects.items():
            if ref.kind == "PersistentVolumeClaim":
                manifest["status"] = {"phase": "Bound"}
        return self

    def add_pod(self, component: str, *, status: Manifest, name: str = "", owner: str = "", **meta: Any) -> Manifest:
        """Put a pod of a component into the world, made now."""
        pod: Manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name or f"{component}-1",
                "namespace": names.namespace(self.name),
                "labels": names.owned_labels(self.name) | {names.LABEL_COMPONENT: component},
                "creationTimestamp": self.stamp(),
                "ownerReferences": [{"uid": owner, "controller": True}],
                "annotations": self._template_annotations(component),
                **meta,
            },
            "status": status,
        }
        self.objects[reference(pod)] = pod
        return pod

    def _template_annotations(self, component: str) -> dict[str, str]:
        """Return what a pod inherits from its Deployment."""
        deployment = self.objects.get(self.ref("apps/v1", "Deployment", component))
        return dict(deployment["spec"]["template"]["metadata"].get("annotations", {})) if deployment else {}

    def start_home_assistant(self, *, ready: bool = True) -> "World":
        """Let the pod run: claimed, and answering if `ready`."""
        running = {"state": {"running": {"startedAt": self.stamp()}}}
        self.add_pod(
            names.HOME_ASSISTANT,
            status={
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
                "initContainerStatuses": [{"name": "claim", "state": {"terminated": {"exitCode": 0}}}],
                "containerStatuses": [{"name": names.HOME_ASSISTANT} | running],
            },
        )
        return self

    def restart_home_assistant(self, *, ready: bool = True) -> "World":
        """Do what the Deployment's controller does after a change of the template: another pod instead of the old."""
        for each in [ref for ref, pod in self.objects.items() if _is_pod_of(ref, pod, names.HOME_ASSISTANT)]:
            del self.objects[each]
        return self.start_home_assistant(ready=ready)

    def stop_ollama(self) -> "World":
        """Let the pod be gone, as its Deployment has seen."""
        for each in [ref for ref, pod in self.objects.items() if _is_pod_of(ref, pod, names.OLLAMA)]:
            del self.objects[each]
        return self

    def start_ollama(self, *, ready: bool = True) -> "World":
        running = {"state": {"running": {"startedAt": self.stamp()}}}
        conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
        containers = [{"name": names.OLLAMA} | running]
        status = {"phase": "Running", "conditions": conditions, "containerStatuses": containers}
        self.add_pod(names.OLLAMA, status=status)
        return self

    def finish_job(self, name: str, message: str) -> "World":
        """Let a Job end well with a termination message."""
        job = self.job(name)
        job["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
        self.end_pod(name, message, exit_code=0)
        return self

    def fail_job(self, name: str, message: str) -> "World":
        job = self.job(name)
        failed = {"type": "Failed", "status": "True", "message": "gave up", "lastTransitionTime": self.stamp()}
        job["status"] = {"conditions": [failed]}
        self.end_pod(name, message, exit_code=1)
        return self

    def end_pod(self, name: str, message: str, *, exit_code: int) -> None:
        ended = {"terminated": {"exitCode": exit_code, "message": message}}
        phase = "Failed" if exit_code else "Succeeded"
        status = {"phase": phase, "containerStatuses": [{"name": name, "state": ended}]}
        component = self.job(name)["metadata"]["labels"][names.LABEL_COMPONENT]
        self.add_pod(component, status=status, owner=self.job(name)["metadata"]["uid"])

    def job(self, name: str) -> Manifest:
        return self.objects[self.ref("batch/v1", "Job", name)]

    def issue_certificate(self) -> "World":
        certificate = self.objects[self.ref("cert-manager.io/v1", "Certificate", names.HOME_ASSISTANT)]
        certificate["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
        return self

    def ref(self, api_version: str, kind: str, name: str) -> ObjectRef:
        return ObjectRef(api_version, kind, names.namespace(self.name), name)

    def has(self, kind: str, name: str = names.HOME_ASSISTANT) -> bool:
        return any(ref.kind == kind and ref.name == name for ref in self.objects)

    # The way to a home that answers.

    def claimed(self) -> "World":
        self.settle()
        self.bind_volumes().start_home_assistant().start_ollama()
        self.settle()
        return self

    def ready(self) -> "World":
        """Walk to a home that answers; every step settles."""
        self.claimed().issue_certificate().finish_job(names.PULL, f'{{"models": {{"{MODEL}": "sha256:1"}}}}')
        self.settle()
        self.finish_job(names.CONVERSE, '{"agent": "conversation.home"}')
        self.settle()
        return self.finish_probes()

    def finish_probes(self, *, home_assistant: str = GREEN, ollama: str = GREEN) -> "World":
        """Let the probe Jobs say what they saw, and settle."""
        self.finish_job(names.probe(names.HOME_ASSISTANT), home_assistant)
        self.finish_job(names.probe(names.OLLAMA), ollama)
        return self.settle()

    def condition(self, kind: str) -> Manifest:
        """Return a condition of the Tenant's written status."""
        assert self.tenant is not None
        found: list[Manifest] = self.tenant["status"]["conditions"]
        return next(each for each in found if each["type"] == kind)

    def lease(self) -> Manifest:
        """Return the Lease that says whether Ollama sleeps."""
        return self.objects[self.ref(activity.API_VERSION, activity.KIND, names.ACTIVITY)]

    def write_lease(self, patch: Manifest) -> None:
        """Write the Lease as the API server does: refused where it is not the version that the patch names."""
        lease = self.lease()
        version = lease["metadata"].get("resourceVersion", "1")
        assert patch["metadata"]["resourceVersion"] in ("", version)
        lease["metadata"] |= {"resourceVersion": str(int(version) + 1)}
        lease["spec"] = lease.get("spec", {}) | patch["spec"]

    def somebody_asks(self) -> None:
        """Do what a gateway does."""
        self.write_lease(Activity.of(self.lease()).asked(self.now))

    def replicas(self, name: str = names.OLLAMA) -> int:
        return int(self.objects[self.ref("apps/v1", "Deployment", name)]["spec"]["replicas"])

    def memory(self) -> Memory:
        assert self.namespace is not None
        return Memory.from_annotations(self.namespace["metadata"].get("annotations", {}))

    def _apply(self, manifest: Manifest) -> None:
        """Do what server-side apply does with the fields of one manager: they are replaced, all others stay."""
        ref = reference(manifest)
        live = self.namespace if ref.kind == "Namespace" else self.objects.get(ref)
        applied = deepcopy(manifest)
        if live is None:
            applied["metadata"] |= {"uid": f"uid-of-{ref.name}", "creationTimestamp": self.stamp()}
        else:
            kept = {key: live["metadata"][key] for key in ("uid", "creationTimestamp") if key in live["metadata"]}
            applied["metadata"] |= kept
            if ref.kind == "Lease" and "spec" in live:
                applied["spec"] = live["spec"]  # the gateway's
            if "status" in live:
                applied["status"] = live["status"]
        if ref.kind == "Namespace":
            self.namespace = applied
        else:
            self.objects[ref] = applied

    def _delete(self, ref: ObjectRef) -> None:
        """Remove an object and the pods that it owned."""
        if ref.kind == "Namespace":
            self.namespace = None
            self.objects.clear()
            self.secrets.clear()
            return
        gone = self.objects.pop(ref, None)
        if gone is not None and ref.kind in ("Deployment", "Job"):
            component = gone["metadata"]["labels"][names.LABEL_COMPONENT]
            for each in [each for each, pod in self.objects.items() if _is_pod_of(each, pod, component)]:
                del self.objects[each]


def _is_pod_of(ref: ObjectRef, pod: Manifest, component: str) -> bool:
    return ref.kind == "Pod" and pod["metadata"]["labels"].get(names.LABEL_COMPONENT) == component
