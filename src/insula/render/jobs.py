"""The Jobs of a home: fetch the models, and make Home Assistant talk to them.

They end with a message that the operator reads, and hold no token. Each is replaced when what was rendered changes.
"""

from collections.abc import Sequence
from typing import Any, Final

from insula.domain import names
from insula.domain.manifests import Manifest
from insula.domain.platform import Platform
from insula.domain.tenants import Tenant
from insula.render import objects, pods, quota

RETRIES: Final = 6  # with Kubernetes' back-off about ten minutes in all
# The deadline stands on the pods, for only there the quota of scope Terminating sees it.
PULL_DEADLINE_S: Final = 6 * 3600  # 40 GB at 2 MB/s
CONVERSE_DEADLINE_S: Final = 600
TMP: Final = "/tmp"  # noqa: S108 (in a pod)


def pull(tenant: Tenant, platform: Platform, volume: str) -> Manifest:
    """Return the Job that fetches the tenant's models into Ollama's volume, which has the UID `volume`.

    It has Ollama's placement: whoever first mounts a volume decides its zone. Beside a running Ollama it prefers
    Ollama's node, for a volume may be attached to one node only.
    """
    arguments = ["pull", "--registry", platform.model_registry_url, "--store", "/models", *tenant.ollama.models]
    spec = pods.pod_basics(names.JOBS, platform, gpu=tenant.ollama.gpu > 0) | {
        "affinity": _beside(tenant.name, names.OLLAMA),
        "volumes": [pods.claim_volume("models", names.OLLAMA_MODELS), pods.scratch_volume("tmp", "64Mi")],
    }
    paths = {"models": "/models", "tmp": TMP}
    container = _container(platform, arguments, paths)
    return _job(tenant, names.PULL, spec, container, purpose=volume, deadline_s=PULL_DEADLINE_S)


def converse(tenant: Tenant, platform: Platform, conversation: str) -> Manifest:
    """Return the Job that sets up the Ollama integration and the default agent.

    Args:
        tenant: Has at least one model; the first is the one to talk to.
        platform: The provider's settings.
        conversation: The fingerprint of what is set up; another one makes another Job.
    """
    secrets = (names.SECRET_PLATFORM_ACCOUNT, names.SECRET_GATEWAY_KEY)
    arguments = [
        "converse",
        "--home-assistant",
        f"http://{names.HOME_ASSISTANT}:{names.HOME_ASSISTANT_PORT}",
        "--ollama",
        f"http://{names.OLLAMA}:{names.OLLAMA_PORT}",
        "--model",
        tenant.ollama.models[0],
    ]
    spec = pods.pod_basics(names.JOBS, platform) | {
        "volumes": [pods.scratch_volume("tmp", "64Mi"), *(pods.secret_volume(name) for name in secrets)],
    }
    paths = {"tmp": TMP} | {name: f"/secrets/{name}" for name in secrets}
    container = _container(platform, arguments, paths, read_only=secrets)
    return _job(tenant, names.CONVERSE, spec, container, purpose=conversation, deadline_s=CONVERSE_DEADLINE_S)


def _job(tenant: Tenant, name: str, spec: Manifest, container: Manifest, *, purpose: str, deadline_s: int) -> Manifest:
    pod = spec | {
        # A failed pod stays to be read; the Job makes another.
        "restartPolicy": "Never",
        "activeDeadlineSeconds": deadline_s,
        "terminationGracePeriodSeconds": 10,
        "containers": [container | {"name": name}],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": objects.metadata(
            tenant.name, name, component=name, annotations={names.ANNOTATION_PURPOSE: purpose}
        ),
        "spec": {"backoffLimit": RETRIES, "template": pods.template(tenant.name, name, pod)},
    }


def _container(
    platform: Platform, arguments: Sequence[str], paths: dict[str, str], *, read_only: Sequence[str] = ()
) -> dict[str, Any]:
    return {
        "image": platform.images.insula,
        "imagePullPolicy": platform.images.pull_policy,
        "command": ["insula", "job", *arguments],
        "env": pods.environment({"HOME": TMP}),
        "resources": quota.JOB_RESOURCES.to_manifest(),
        "securityContext": pods.locked_down(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": pods.mounts(paths, read_only=read_only),
    }


def _beside(tenant: str, component: str) -> Manifest:
    term = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": objects.selector(tenant, component)},
    }
    return {
        "podAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}],
        }
    }
