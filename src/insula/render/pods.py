"""What all pods of a tenant share: Pod Security `restricted`, a read-only root, no token, one user id."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from insula.domain import names
from insula.domain.gpu import CONFIG_LABEL, DEVICE, Gpu
from insula.domain.manifests import Manifest
from insula.domain.platform import Platform
from insula.domain.tenants import Tenant
from insula.render import objects

USER_ID: Final = 10001  # the user of all our images, and the group that owns the volumes
SECRET_MODE: Final = 0o440  # root and the group of the volumes may read

# Nodes with GPUs often keep other pods away by a taint of this name, whatever their resources are called.
GPU_TOLERATION: Final[Manifest] = {"key": DEVICE, "operator": "Exists", "effect": "NoSchedule"}
# Where NVIDIA's runtime is the node's default, an image may ask for every device: a container without one refuses.
NO_GPU: Final[Mapping[str, str]] = {"NVIDIA_VISIBLE_DEVICES": "void"}

NODE_TROUBLE: Final = ("not-ready", "unreachable")  # what Kubernetes calls a node that is ill or silent


def template(
    tenant: str, component: str, spec: Mapping[str, Any], annotations: Mapping[str, str] | None = None
) -> Manifest:
    """Return a pod template: `component` goes into the selector's label and into the one that policies match."""
    return {
        "metadata": {
            "labels": objects.labels(tenant, component) | {names.LABEL_NETWORK: component},
            **({"annotations": dict(annotations)} if annotations else {}),
        },
        "spec": dict(spec),
    }


def deployment(
    tenant: Tenant, component: str, spec: Mapping[str, Any], contents: Any = None, *, asleep: bool = False
) -> Manifest:
    """Return a Deployment of one pod, none while suspended or asleep.

    `Recreate`, for two pods on one volume are damage.

    The template bears a hash of itself and of `contents`, which the pod reads at its start alone. So another template
    is another hash, on the Deployment and on each pod that was made of it.
    """
    mark = {names.ANNOTATION_HASH: objects.digest([spec, contents])}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": objects.metadata(tenant.name, component, component=component),
        "spec": {
            "replicas": 0 if tenant.suspended or asleep else 1,
            "revisionHistoryLimit": 2,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": objects.selector(tenant.name, component)},
            "template": template(tenant.name, component, spec, mark),
        },
    }


def pod_basics(account: str, platform: Platform, *, gpu: Gpu | None = None) -> Manifest:
    """Return the fields of a pod's spec that are the same for all: identity, security and place.

    Args:
        account: The ServiceAccount's name.
        platform: The provider's settings.
        gpu: What the pod belongs beside; None: any node.
    """
    chosen = dict(platform.node_selector) | ({CONFIG_LABEL: gpu.config} if gpu and gpu.config else {})
    return {
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
        # Links would put every Service of the namespace into the environment, and the resident sees that.
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            # Walking a volume of models at every start would cost minutes.
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **({"nodeSelector": chosen} if chosen else {}),
        "tolerations": [*([GPU_TOLERATION] if gpu else []), *_patience(platform)],
    }


def _patience(platform: Platform) -> Iterator[Manifest]:
    """Yield for how long a pod counts on a node that does not answer. Kubernetes' own five minutes are long."""
    within = {} if platform.move_after_s is None else {"tolerationSeconds": platform.move_after_s}
    for trouble in NODE_TROUBLE:
        yield {"key": f"node.kubernetes.io/{trouble}", "operator": "Exists", "effect": "NoExecute"} | within


def locked_down() -> Manifest:
    """Return the security context of a container."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def environment(variables: Mapping[str, str]) -> list[Manifest]:
    """Return a container's `env`; what is empty is left out."""
    return [{"name": name, "value": value} for name, value in variables.items() if value]


def mounts(paths: Mapping[str, str], *, read_only: Sequence[str] = ()) -> list[Manifest]:
    """Return a container's `volumeMounts` from volume name → path."""
    return [
        {"name": name, "mountPath": path, **({"readOnly": True} if name in read_only else {})}
        for name, path in paths.items()
    ]


def claim_volume(name: str, claim: str) -> Manifest:
    """Return a volume that is a PersistentVolumeClaim."""
    return {"name": name, "persistentVolumeClaim": {"claimName": claim}}


def scratch_volume(name: str, size_limit: str) -> Manifest:
    """Return an empty volume that lives as long as the pod."""
    return {"name": name, "emptyDir": {"sizeLimit": size_limit}}


def secret_volume(secret: str) -> Manifest:
    """Return a volume that shows a Secret; it bears the Secret's name."""
    return {"name": secret, "secret": {"secretName": secret, "defaultMode": SECRET_MODE}}
