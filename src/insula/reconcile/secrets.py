"""Which Secrets are missing. Their content is random or signed, and so made elsewhere."""

import re
from typing import Final

from insula.domain import names
from insula.domain.manifests import ObjectRef
from insula.domain.situation import Memory
from insula.domain.tenants import Tenant
from insula.reconcile import reading
from insula.reconcile.model import Observed, SecretKind, SecretWish

PLATFORM_USERNAME: Final = "insula"
UNNAMED_RESIDENT: Final = "resident"


def wishes(tenant: Tenant, memory: Memory, tenant_id: str, observed: Observed) -> tuple[SecretWish, ...]:
    """Return the Secrets to make: those that do not exist, and a gateway key of an older generation anew."""
    found: list[SecretWish] = []
    usernames = {
        SecretKind.PLATFORM_ACCOUNT: PLATFORM_USERNAME,
        SecretKind.RESIDENT_ACCOUNT: resident_username(tenant.owner),
    }
    for kind, username in usernames.items():
        if kind.value not in observed.secrets:
            found.append(SecretWish(_ref(tenant, kind), kind, names.owned_labels(tenant.name), {}, username))
    generation = memory.key_generation
    written = {names.ANNOTATION_KEY_GENERATION: str(generation)}
    key = observed.secrets.get(names.SECRET_GATEWAY_KEY)
    if key is None or reading.annotations(key).get(names.ANNOTATION_KEY_GENERATION) != str(generation):
        kind = SecretKind.GATEWAY_KEY
        found.append(
            SecretWish(
                _ref(tenant, kind),
                kind,
                names.owned_labels(tenant.name),
                written,
                tenant_id=tenant_id,
                key_generation=generation,
                replace=key is not None,
            )
        )
    return tuple(found)


def resident_username(owner: str) -> str:
    """Return the login of the person with this e-mail address: its local part, in characters that any login takes."""
    slug = re.sub(r"[^a-z0-9._-]+", "-", owner.partition("@")[0].lower()).strip("-._")
    return slug if slug not in ("", PLATFORM_USERNAME) else UNNAMED_RESIDENT


def _ref(tenant: Tenant, kind: SecretKind) -> ObjectRef:
    return ObjectRef("v1", "Secret", names.namespace(tenant.name), kind.value)
