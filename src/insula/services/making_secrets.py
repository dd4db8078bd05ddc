"""Makes the content of a tenant's Secrets: random passwords, and the gateway's key."""

import base64
import secrets
from collections.abc import Callable
from typing import Final

from insula.domain.manifests import Manifest
from insula.reconcile.model import SecretKind, SecretWish

# Without letters and digits that look alike: a resident types the first password once, from a screen.
ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
GROUPS: Final = 4
GROUP_CHARACTERS: Final = 5  # 4 × 5 characters out of 31: 99 bits

TenantKey = Callable[[str, int], str]  # tenant-id, generation → key


def password() -> str:
    """Return a new random password."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP_CHARACTERS)) for _ in range(GROUPS))
    return "-".join(groups)


def secret(wish: SecretWish, tenant_key: TenantKey) -> Manifest:
    """Return the Secret that is wished for.

    Args:
        wish: What is missing.
        tenant_key: Makes the gateway's key of a tenant-id and a generation.
    """
    if wish.kind is SecretKind.GATEWAY_KEY:
        content = {"key": tenant_key(wish.tenant_id, wish.key_generation)}
    else:
        content = {"username": wish.username, "password": password()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": wish.ref.name,
            "namespace": wish.ref.namespace,
            "labels": dict(wish.labels),
            "annotations": dict(wish.annotations),
        },
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in content.items()},
    }
