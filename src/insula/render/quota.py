"""How much a namespace may use: exactly what its own pods need, headroom for Jobs, and nothing that opens a node."""

from collections.abc import Iterable
from typing import Final

from insula.domain.gpu import DEVICE, SHARED_DEVICE
from insula.domain.manifests import Manifest
from insula.domain.platform import Platform
from insula.domain.quantities import Resources
from insula.domain.tenants import Tenant
from insula.render import objects

# One Job's container. Reading and hashing blobs is bound by disk and network, hence the wide limit of CPU.
JOB_RESOURCES: Final = Resources(cpu_request_m=50, cpu_limit_m=1000, memory_request_mib=64, memory_limit_mib=256)
# Pull and converse at once, two probes of the walls, and one whose predecessor has not left yet.
JOBS_AT_ONCE: Final = 5
# What cert-manager gives its HTTP-01 solver, a pod without a deadline that comes and goes.
SOLVER_RESOURCES: Final = Resources(cpu_request_m=10, cpu_limit_m=100, memory_request_mib=64, memory_limit_mib=64)
# For containers that say nothing, of which Insula renders none: the quota refuses a pod without limits.
UNSAID: Final = Resources(cpu_request_m=10, cpu_limit_m=100, memory_request_mib=64, memory_limit_mib=128)

# Home Assistant, the gateway's name, Ollama's back end; the solver's; and one to spare.
SERVICES: Final = 5


def quotas(tenant: Tenant, platform: Platform, *, moving: bool = False) -> tuple[Manifest, ...]:
    """Return the quotas: of pods that stay, of pods with a deadline (Jobs), and of everything that is no pod.

    The third stands alone because a quota with a scope may count pods only.

    Args:
        tenant: The spec in force.
        platform: The provider's settings.
        moving: Whether pods on a silent node are counted, for minutes, beside their successors.
    """
    home = (tenant.home_assistant.resources, tenant.ollama.resources)
    staying = (*home, *(home if moving else ()), SOLVER_RESOURCES)
    return (
        _quota(tenant, "pods", _compute(staying), scope="NotTerminating"),
        _quota(tenant, "jobs", _compute([JOB_RESOURCES] * JOBS_AT_ONCE), scope="Terminating"),
        _quota(tenant, "objects", _objects(tenant) | _gpus(tenant, platform, moving=moving)),
    )


def limit_range(tenant: Tenant) -> Manifest:
    """Return the defaults for containers that name no resources."""
    resources = UNSAID.to_manifest()
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": objects.metadata(tenant.name, "defaults"),
        "spec": {
            "limits": [
                {"type": "Container", "default": resources["limits"], "defaultRequest": resources["requests"]},
            ]
        },
    }


def _quota(tenant: Tenant, name: str, hard: dict[str, str], scope: str = "") -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": objects.metadata(tenant.name, name),
        "spec": {"hard": hard, **({"scopes": [scope]} if scope else {})},
    }


def _compute(needs: Iterable[Resources]) -> dict[str, str]:
    """Return the sum of what pods need. Deployments are `Recreate`: only a lost pod has a successor beside it."""
    each = tuple(needs)
    return {
        "pods": str(len(each)),
        "requests.cpu": f"{sum(one.cpu_request_m for one in each)}m",
        "limits.cpu": f"{sum(one.cpu_limit_m for one in each)}m",
        "requests.memory": f"{sum(one.memory_request_mib for one in each)}Mi",
        "limits.memory": f"{sum(one.memory_limit_mib for one in each)}Mi",
    }


def _objects(tenant: Tenant) -> dict[str, str]:
    volumes, storage = "2", f"{tenant.home_assistant.storage_gib + tenant.ollama.storage_gib}Gi"
    of_class = f"{tenant.storage_class}.storageclass.storage.k8s.io"
    return {
        "services": str(SERVICES),
        # A port on a node, or an address of the provider's, would be a way around the ingress and the gateway.
        "services.nodeports": "0",
        "services.loadbalancers": "0",
        "persistentvolumeclaims": volumes,
        "requests.storage": storage,
        # A quota cannot say "no other class"; the totals leave none of them room beside the home's two volumes.
        **(
            {f"{of_class}/persistentvolumeclaims": volumes, f"{of_class}/requests.storage": storage}
            if tenant.storage_class
            else {}
        ),
        "count/deployments.apps": "2",
        "count/jobs.batch": "10",
        "count/ingresses.networking.k8s.io": "3",
        # Insula makes none of these, and each could make pods.
        "count/statefulsets.apps": "0",
        "count/daemonsets.apps": "0",
        "count/cronjobs.batch": "0",
        "replicationcontrollers": "0",
        # Ours, Kubernetes' own root certificate, and what a certificate's renewal makes for a while.
        "configmaps": "10",
        "secrets": "10",
    }


def _gpus(tenant: Tenant, platform: Platform, *, moving: bool) -> dict[str, str]:
    """Return the home's GPUs by the name that its plan gives them, and none by any other known name."""
    none = dict.fromkeys((DEVICE, SHARED_DEVICE, *platform.gpu_resources), 0)
    own = {tenant.ollama.device.resource: tenant.ollama.gpu * (2 if moving else 1)}
    return {f"requests.{resource}": str(count) for resource, count in (none | own).items()}
