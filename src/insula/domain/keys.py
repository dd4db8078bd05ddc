"""The grammar of a tenant's key, `kid.tenant-id.generation.signature`: what it says, not whether it is true.

The key is what a tenant's Home Assistant shows at the gateway. It names its signer (`kid`), the tenant's identity
and the generation of the key, so that the gateway needs no table of keys: it checks a signature and a number.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Final

from insula.domain.errors import UsageError

KEY_HEADER: Final = "X-Api-Key"  # where a key may stand besides `Authorization`
SIGNATURE_BYTES: Final = 64  # Ed25519
SIGNATURE_CHARACTERS: Final = 86  # 64 bytes as base64url without padding
MAX_GENERATION: Final = 999_999_999
# kid 16 + UUID 36 + generation 9 + signature 86 + three dots. Longer text is refused before anything looks at it.
MAX_KEY_CHARACTERS: Final = 150

_KEY: Final = re.compile(
    r"(?P<kid>[0-9a-z]{1,16})"
    r"\.(?P<tenant_id>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    r"\.(?P<generation>[1-9][0-9]{0,8})"
    r"\.(?P<signature>[0-9A-Za-z_-]{86})"
)


class InvalidKeyError(UsageError):
    """A key is malformed, or not signed by us. The message never repeats the key."""


@dataclass(frozen=True)
class TenantKey:
    """A key taken apart. `generation` counts from 1; `signature` covers `signed_text` and is not shown in a repr."""

    kid: str
    tenant_id: str
    generation: int
    signature: bytes = field(repr=False)


def signed_text(kid: str, tenant_id: str, generation: int) -> bytes:
    """Return the bytes that a key's signature covers: everything before its last dot."""
    return f"{kid}.{tenant_id}.{generation}".encode("ascii")


def format_key(key: TenantKey) -> str:
    """Return the key as text.

    Raises:
        InvalidKeyError: A part does not fit the grammar, so that `parse_key` would refuse the text.
    """
    signature = base64.urlsafe_b64encode(key.signature).rstrip(b"=").decode("ascii")
    text = f"{key.kid}.{key.tenant_id}.{key.generation}.{signature}"
    if not _KEY.fullmatch(text):
        raise InvalidKeyError("a part of the key does not fit the grammar kid.tenant-id.generation.signature")
    return text


def parse_key(text: str) -> TenantKey:
    """Take a key apart.

    Raises:
        InvalidKeyError: The text is not a key, or is not written the one way in which `format_key` writes it.
    """
    match = _KEY.fullmatch(text) if len(text) <= MAX_KEY_CHARACTERS else None
    if match is None:
        raise InvalidKeyError("the key is not of the form kid.tenant-id.generation.signature")
    signature = _decode(match["signature"])
    return TenantKey(match["kid"], match["tenant_id"], int(match["generation"]), signature)


def _decode(text: str) -> bytes:
    try:
        signature = base64.urlsafe_b64decode(text + "==")
    except binascii.Error as error:
        raise InvalidKeyError("the key's signature is not base64url") from error
    # 86 characters hold four bits more than 64 bytes need: only one of their 16 spellings is ours.
    if base64.urlsafe_b64encode(signature).rstrip(b"=") != text.encode("ascii"):
        raise InvalidKeyError("the key's signature is not base64url")
    return signature
