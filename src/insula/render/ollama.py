"""Ollama: one model server that only the gateway reaches, under two names: its own, and the one the home speaks to."""

from typing import Final

from insula.domain import names
from insula.domain.gpu import MIB
from insula.domain.inference import Inference
from insula.domain.manifests import Manifest
from insula.domain.models import ModelForm
from insula.domain.platform import Platform
from insula.domain.tenants import Tenant
from insula.render import objects, pods

PROBE_PATH: Final = "/api/version"
PATHS: Final = {"models": "/models", "tmp": "/tmp"}  # noqa: S108 (in a pod)
STOP_S: Final = 30
# Where the images of models are mounted, each below its number.
SHARED: Final = "/images"
# Ollama reads one store: a tree of links leads into all images. Links that an earlier start made are made anew.
LINK_AND_SERVE: Final = f"cp -rsf {SHARED}/*/. /models/ && exec ollama serve"

ENVIRONMENT: Final = {
    "OLLAMA_HOST": f"0.0.0.0:{names.OLLAMA_PORT}",
    "OLLAMA_MODELS": "/models",
    "HOME": "/tmp",  # noqa: S108 (in a pod)
    # One person, one model: more would divide its memory.
    "OLLAMA_MAX_LOADED_MODELS": "1",
    # The pull Job writes into the same store: a start must not sweep away what it has half written.
    "OLLAMA_NOPRUNE": "1",
    "OLLAMA_NO_CLOUD": "1",
}


def services(tenant: Tenant, platform: Platform) -> tuple[Manifest, ...]:
    """Return the back end that the gateway finds by its label, and the name `ollama` that leads to the gateway."""
    door = f"{platform.gateway_service}.{platform.release_namespace}.svc.cluster.local"
    return (
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": objects.metadata(tenant.name, names.OLLAMA_BACKEND, component=names.OLLAMA),
            "spec": {
                "type": "ClusterIP",
                "clusterIP": "None",
                "selector": objects.selector(tenant.name, names.OLLAMA),
                "ports": [{"name": "http", "port": names.OLLAMA_PORT, "targetPort": "http", "protocol": "TCP"}],
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": objects.metadata(tenant.name, names.OLLAMA),
            "spec": {"type": "ExternalName", "externalName": door},
        },
    )


def deployment(tenant: Tenant, platform: Platform, *, instead_of: str = "", asleep: bool = False) -> Manifest:
    """Return the Deployment; `Recreate`, for a GPU is rarely free twice.

    Args:
        tenant: Whose it is.
        platform: The provider's settings.
        instead_of: UID of the last pod whose GPU failed; another one is another pod, that may get another device.
        asleep: Whether it has no pod until somebody asks.
    """
    spec = pods.pod_basics(names.OLLAMA, platform, gpu=tenant.ollama.device if tenant.ollama.gpu else None) | {
        "terminationGracePeriodSeconds": STOP_S,
        "containers": [_container(tenant, platform)],
        "volumes": [_store(tenant), pods.scratch_volume("tmp", "1Gi"), *_shared(tenant)],
    }
    return pods.deployment(tenant, names.OLLAMA, spec, instead_of or None, asleep=asleep)


def _container(tenant: Tenant, platform: Platform) -> Manifest:
    shared = {f"model-{number}": f"{SHARED}/{number}" for number in range(len(tenant.ollama.shared))}
    look = {"httpGet": {"path": PROBE_PATH, "port": "http"}, "timeoutSeconds": 5}
    return {
        "name": names.OLLAMA,
        "image": tenant.ollama.image or platform.images.ollama,
        "imagePullPolicy": platform.images.pull_policy,
        "command": ["/bin/sh", "-c", LINK_AND_SERVE] if tenant.ollama.shared else ["ollama", "serve"],
        "env": pods.environment(ENVIRONMENT | _share(tenant.ollama.inference) | _gpu_environment(tenant)),
        "ports": [{"name": "http", "containerPort": names.OLLAMA_PORT, "protocol": "TCP"}],
        "resources": _resources(tenant),
        "securityContext": pods.locked_down(),
        "startupProbe": look | {"periodSeconds": 1, "failureThreshold": 120},
        "readinessProbe": look | {"periodSeconds": 5, "failureThreshold": 3},
        "volumeMounts": pods.mounts(PATHS) + pods.mounts(shared, read_only=tuple(shared)),
    }


def _store(tenant: Tenant) -> Manifest:
    """Return the volume at Ollama's store: the home's own, or an empty one for links."""
    if tenant.ollama.model_form is ModelForm.IMAGE:
        return pods.scratch_volume("models", "64Mi")
    return pods.claim_volume("models", names.OLLAMA_MODELS)


def _shared(tenant: Tenant) -> list[Manifest]:
    return [
        {"name": f"model-{number}", "image": {"reference": each.image, "pullPolicy": "IfNotPresent"}}
        for number, each in enumerate(tenant.ollama.shared)
    ]


def _resources(tenant: Tenant) -> Manifest:
    """Return the container's resources. A GPU cannot be overcommitted: request and limit are one number."""
    resources = tenant.ollama.resources.to_manifest()
    if tenant.ollama.gpu:
        for amounts in resources.values():
            amounts[tenant.ollama.device.resource] = str(tenant.ollama.gpu)
    return resources


def _share(inference: Inference) -> dict[str, str]:
    """Return how much Ollama computes at a time; the gateway sends no more."""
    return {
        "OLLAMA_NUM_PARALLEL": str(inference.parallel),
        "OLLAMA_CONTEXT_LENGTH": str(inference.context_tokens),
        "OLLAMA_KEEP_ALIVE": "-1" if inference.keep_alive_s is None else f"{inference.keep_alive_s}s",
    }


def _gpu_environment(tenant: Tenant) -> dict[str, str]:
    """Return what keeps Ollama inside its share of a GPU, or away from all of them."""
    if not tenant.ollama.gpu:
        return dict(pods.NO_GPU)
    reserve = tenant.ollama.device.reserve_mib * MIB
    return {"OLLAMA_GPU_OVERHEAD": str(reserve)} if reserve else {}
