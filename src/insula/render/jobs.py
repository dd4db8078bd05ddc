"""The Jobs of a home: fetch the models, and make Home Assistant talk to them.

They end with a message that the operator reads, and hold no token. Each is replaced when what was rendered changes.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from insula.domain import names
from insula.domain.manifests import Manifest
from insula.domain.platform import Platform
from insula.domain.tenants import Tenant
from insula.render import objects, pods, quota

RETRIES: Final = 6  # with Kubernetes' back-off about ten minutes in all
# The deadline stands on the pods, for only there the quota of scope Terminating sees it.
PULL_DEADLINE_S: Final = 6 * 3600  # 40 GB at 2 MB/s
CONVERSE_DEADLINE_S: Final = 600
STOP_S: Final = 10
TMP: Final = "/tmp"  # noqa: S108 (in a pod)


def pull(tenant: Tenant, platform: Platform, volume: str) -> Manifest:
    """Return the Job that fetches the tenant's models into Ollama's volume, which has the UID `volume`.

    It has Ollama's placement: whoever first mounts a volume decides its zone. Beside a running Ollama it prefers
    Ollama's node, for a volume may be attached to one node only.
    """
    arguments = ["pull", "--registry", platform.model_registry_url, "--store", "/models", *tenant.ollama.models]
    paths = {"models": "/models", "tmp": TMP}
    spec = pods.pod_basics(names.JOBS, platform, gpu=tenant.ollama.device if tenant.ollama.gpu else None) | {
        "affinity": beside(tenant.name, names.OLLAMA),
        "activeDeadlineSeconds": PULL_DEADLINE_S,
        "containers": [container(names.PULL, platform, arguments, paths)],
        "volumes": [pods.claim_volume("models", names.OLLAMA_MODELS), pods.scratch_volume("tmp", "64Mi")],
    }
    return _job(tenant, names.PULL, names.PULL_COMPONENT, spec, purpose=volume)


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
    paths = {"tmp": TMP} | {name: f"/secrets/{name}" for name in secrets}
    spec = pods.pod_basics(names.JOBS, platform) | {
        "activeDeadlineSeconds": CONVERSE_DEADLINE_S,
        "containers": [container(names.CONVERSE, platform, arguments, paths, read_only=secrets)],
        "volumes": [pods.scratch_volume("tmp", "64Mi"), *(pods.secret_volume(name) for name in secrets)],
    }
    return _job(tenant, names.CONVERSE, names.CONVERSE, spec, purpose=conversation)


def _job(tenant: Tenant, name: str, component: str, spec: Manifest, *, purpose: str) -> Manifest:
    # A failed pod stays to be read; the Job makes another.
    pod = spec | {"restartPolicy": "Never", "terminationGracePeriodSeconds": STOP_S}
    annotations = {names.ANNOTATION_PURPOSE: purpose}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": objects.metadata(tenant.name, name, component=component, annotations=annotations),
        "spec": {"backoffLimit": RETRIES, "template": pods.template(tenant.name, component, pod)},
    }


def container(
    name: str, platform: Platform, arguments: Sequence[str], paths: Mapping[str, str], *, read_only: Sequence[str] = ()
) -> Manifest:
    """Return the container of a Job: `insula job` with its arguments, volumes at paths, and no way up."""
    return {
        "name": name,
        "image": platform.images.insula,
        "imagePullPolicy": platform.images.pull_policy,
        "command": ["insula", "job", *arguments],
        "env": pods.environment({"HOME": TMP}),
        "resources": quota.JOB_RESOURCES.to_manifest(),
        "securityContext": pods.locked_down(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": pods.mounts(paths, read_only=read_only),
    }


def beside(tenant: str, component: str) -> Manifest:
    """Return the affinity that prefers the node of a component's pod."""
    term = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": objects.selector(tenant, component)},
    }
    return {
        "podAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}],
        }
    }
