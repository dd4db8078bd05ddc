"""The Lease through which gateways and the operator agree whether a home's Ollama sleeps, and who may write it.

Its `spec` is never rendered: it says what has happened, and is written with the version that was judged.
"""

from insula.domain import names
from insula.domain.activity import API_VERSION, KIND
from insula.domain.manifests import Manifest
from insula.domain.platform import Platform
from insula.render import objects

GATEWAY_ACTIVITY = "insula-gateway-activity"


def lease(tenant: str, obstacle: str) -> Manifest:
    """Return the Lease; `obstacle` is what keeps the Ollama from waking, empty: nothing."""
    annotations = {names.ANNOTATION_OBSTACLE: obstacle} if obstacle else None
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": objects.metadata(tenant, names.ACTIVITY, annotations=annotations),
    }


def gateway_binding(tenant: str, platform: Platform) -> Manifest:
    """Return the binding that lets the gateway write this home's Lease, and nothing else there."""
    group = "rbac.authorization.k8s.io"
    account = {
        "kind": "ServiceAccount",
        "name": platform.gateway_service_account,
        "namespace": platform.release_namespace,
    }
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": objects.metadata(tenant, GATEWAY_ACTIVITY),
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": platform.activity_role},
        "subjects": [account],
    }
