"""The kinds that Insula speaks of: where the API server keeps each one."""

from dataclasses import dataclass
from typing import Final

from insula.domain import names
from insula.domain.errors import InvalidSpecError


@dataclass(frozen=True)
class Kind:
    """One kind of object: its API version, its name, its plural in paths, and whether it lives in a namespace."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def root(self) -> str:
        """Return the path of the API group's version, without a slash at the end."""
        return f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"

    def __str__(self) -> str:
        return self.plural


TENANT: Final = Kind(names.API_VERSION, "Tenant", "tenants", namespaced=False)
PLAN: Final = Kind(names.API_VERSION, "Plan", "plans", namespaced=False)
NAMESPACE: Final = Kind("v1", "Namespace", "namespaces", namespaced=False)
POD: Final = Kind("v1", "Pod", "pods", namespaced=True)
SECRET: Final = Kind("v1", "Secret", "secrets", namespaced=True)
CONFIG_MAP: Final = Kind("v1", "ConfigMap", "configmaps", namespaced=True)
EVENT: Final = Kind("events.k8s.io/v1", "Event", "events", namespaced=True)
LEASE: Final = Kind("coordination.k8s.io/v1", "Lease", "leases", namespaced=True)
ENDPOINT_SLICE: Final = Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", namespaced=True)
ACCESS_REVIEW: Final = Kind("authorization.k8s.io/v1", "SubjectAccessReview", "subjectaccessreviews", namespaced=False)

# Plurals are written down rather than derived or discovered: each stands in our RBAC rules as well.
_ALL: Final = (
    TENANT,
    PLAN,
    NAMESPACE,
    POD,
    SECRET,
    CONFIG_MAP,
    EVENT,
    LEASE,
    ENDPOINT_SLICE,
    ACCESS_REVIEW,
    Kind("v1", "Event", "events", namespaced=True),
    Kind("v1", "LimitRange", "limitranges", namespaced=True),
    Kind("v1", "Node", "nodes", namespaced=False),
    Kind("v1", "PersistentVolume", "persistentvolumes", namespaced=False),
    Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims", namespaced=True),
    Kind("v1", "ResourceQuota", "resourcequotas", namespaced=True),
    Kind("v1", "Service", "services", namespaced=True),
    Kind("v1", "ServiceAccount", "serviceaccounts", namespaced=True),
    Kind("apps/v1", "DaemonSet", "daemonsets", namespaced=True),
    Kind("apps/v1", "Deployment", "deployments", namespaced=True),
    Kind("apps/v1", "ReplicaSet", "replicasets", namespaced=True),
    Kind("apps/v1", "StatefulSet", "statefulsets", namespaced=True),
    Kind("batch/v1", "CronJob", "cronjobs", namespaced=True),
    Kind("batch/v1", "Job", "jobs", namespaced=True),
    Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", namespaced=True),
    Kind("networking.k8s.io/v1", "Ingress", "ingresses", namespaced=True),
    Kind("networking.k8s.io/v1", "IngressClass", "ingressclasses", namespaced=False),
    Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", namespaced=True),
    Kind("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", namespaced=False),
    Kind("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
    Kind("rbac.authorization.k8s.io/v1", "Role", "roles", namespaced=True),
    Kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", namespaced=True),
    Kind("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False),
    Kind("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", namespaced=False),
    Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False),
    Kind("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", False),
    Kind(
        "admissionregistration.k8s.io/v1",
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        False,
    ),
    Kind("cert-manager.io/v1", "Certificate", "certificates", namespaced=True),
    Kind("cert-manager.io/v1", "Issuer", "issuers", namespaced=True),
    Kind("cert-manager.io/v1", "ClusterIssuer", "clusterissuers", namespaced=False),
)
_BY_NAME: Final = {(kind.api_version, kind.kind): kind for kind in _ALL}


def of(api_version: str, kind: str) -> Kind:
    """Return where the API server keeps a kind.

    Raises:
        InvalidSpecError: Insula does not know the kind.
    """
    try:
        return _BY_NAME[api_version, kind]
    except KeyError:
        raise InvalidSpecError(f"kind {kind} of {api_version} is not one that Insula speaks of") from None
