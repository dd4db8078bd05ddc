"""Who pods are, namely nobody: ServiceAccounts without tokens; and who may touch the Secrets: the operator."""

from typing import Final

from insula.domain import names
from insula.domain.manifests import Manifest
from insula.domain.platform import Platform
from insula.render import objects

OPERATOR_SECRETS: Final = "insula-operator-secrets"


def service_accounts(tenant: str) -> tuple[Manifest, ...]:
    """Return an account for each kind of pod; none gets a token."""
    return tuple(
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": objects.metadata(tenant, name),
            "automountServiceAccountToken": False,
        }
        for name in (names.HOME_ASSISTANT, names.OLLAMA, names.JOBS)
    )


def operator_binding(tenant: str, platform: Platform) -> Manifest:
    """Return the binding that lets the operator make this tenant's Secrets. It has no such right elsewhere."""
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": objects.metadata(tenant, OPERATOR_SECRETS),
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": platform.tenant_secrets_role},
        "subjects": [
            {
                "kind": "ServiceAccount",
                "name": platform.operator_service_account,
                "namespace": platform.release_namespace,
            }
        ],
    }
