"""Signing and verifying tenants' keys with Ed25519: the operator holds `SigningKeys`, the gateway `VerifyKeys`.

A key is a pure function of the signing key, the tenant's identity and the generation: the same three give the same
text at every reconcile, and nobody has to keep a table of keys.
"""

import base64
import binascii
import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from insula.domain import keys
from insula.domain.errors import InvalidSpecError

SIGNING_KEYS_ENTRY: Final = "signing-keys.json"  # the one entry of the Secret insula-signing-keys
VERIFY_KEYS_ENTRY: Final = "keys.json"  # the one entry of the ConfigMap insula-verify-keys
VERIFIED_KEYS_KEPT: Final = 8192  # about 2 MiB; one entry a tenant that is talking
KID_CHARACTERS: Final = 8


@dataclass(frozen=True)
class VerifiedKey:
    """What a key with a true signature says. Whether the generation is in force is for the directory to say."""

    tenant_id: str
    generation: int


@dataclass(frozen=True)
class SigningKeys:
    """The private keys: `current` signs; `previous`, if any, is still published so that older keys verify."""

    current: Ed25519PrivateKey = field(repr=False)
    previous: Ed25519PrivateKey | None = field(default=None, repr=False)

    @classmethod
    def generate(cls) -> "SigningKeys":
        """Make new keys from the system's randomness."""
        return cls(Ed25519PrivateKey.generate())

    def rotate(self) -> "SigningKeys":
        """Return keys with a new `current`; the old one becomes `previous`, and an older one is forgotten."""
        return SigningKeys(Ed25519PrivateKey.generate(), self.current)

    @classmethod
    def load(cls, data: Mapping[str, str]) -> "SigningKeys":
        """Read the keys from the `data` of their Secret (values in base64, as Kubernetes gives them).

        Raises:
            InvalidSpecError: The Secret does not hold what `dump` writes.
        """
        try:
            document = json.loads(base64.b64decode(data[SIGNING_KEYS_ENTRY], validate=True))
            current, previous = _private(document["current"]), document.get("previous")
            return cls(current, _private(previous) if previous else None)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InvalidSpecError(
                f"the Secret of the signing keys has no usable {SIGNING_KEYS_ENTRY}",
                remedy="restore it from a backup; without it, every tenant's key must be made anew",
            ) from error

    def dump(self) -> dict[str, str]:
        """Return the `data` of the Secret that holds the keys (values in base64)."""
        document = {"current": _encode(self.current.private_bytes_raw())}
        if self.previous is not None:
            document["previous"] = _encode(self.previous.private_bytes_raw())
        return {SIGNING_KEYS_ENTRY: base64.b64encode(json.dumps(document).encode()).decode("ascii")}

    def verify_keys_json(self) -> str:
        """Return what the gateway reads: JSON `{kid: base64url of the raw public key}`, the same text every time."""
        signers = [self.current] if self.previous is None else [self.current, self.previous]
        public = [signer.public_key() for signer in signers]
        return json.dumps({key_id(key): _encode(key.public_bytes_raw()) for key in public}, sort_keys=True)

    def tenant_key(self, tenant_id: str, generation: int) -> str:
        """Return the key of a tenant: the same text for the same signing key, identity and generation.

        Raises:
            InvalidKeyError: `tenant_id` is not a UUID in lower case, or `generation` is not between 1 and 999999999.
        """
        kid = key_id(self.current.public_key())
        signature = self.current.sign(keys.signed_text(kid, tenant_id, generation))
        return keys.format_key(keys.TenantKey(kid, tenant_id, generation, signature))


class VerifyKeys:
    """The public keys, and a bounded memory of the keys that they have verified.

    Args:
        public: Ed25519 public keys by key id.
        kept: How many verified keys are remembered; the one not seen for longest goes first.
    """

    def __init__(self, public: Mapping[str, Ed25519PublicKey], *, kept: int = VERIFIED_KEYS_KEPT) -> None:
        self._public = dict(public)
        self._kept = kept
        # Digests, not keys: a dump of the gateway's memory shall not be a list of passwords.
        self._verified: OrderedDict[bytes, VerifiedKey] = OrderedDict()

    @classmethod
    def from_json(cls, text: str) -> "VerifyKeys":
        """Read the keys from the text that `SigningKeys.verify_keys_json` wrote.

        Raises:
            InvalidSpecError: The text is not such JSON.
        """
        try:
            return cls({kid: Ed25519PublicKey.from_public_bytes(_raw(key)) for kid, key in json.loads(text).items()})
        except (TypeError, AttributeError, ValueError) as error:
            raise InvalidSpecError(
                "the verify keys are not JSON of the form {kid: base64url of a raw Ed25519 public key}",
                remedy="let the operator write the ConfigMap insula-verify-keys anew: delete it",
            ) from error

    @property
    def remembered(self) -> int:
        """How many verified keys are in memory now."""
        return len(self._verified)

    def verify(self, text: str) -> VerifiedKey:
        """Return what a key says, if one of our signers signed it.

        Raises:
            InvalidKeyError: Malformed, unknown signer, or a false signature.
        """
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
        known = self._verified.get(digest)
        if known is not None:
            self._verified.move_to_end(digest)
            return known
        verified = self._check(text)
        self._verified[digest] = verified
        if len(self._verified) > self._kept:
            self._verified.popitem(last=False)
        return verified

    def _check(self, text: str) -> VerifiedKey:
        key = keys.parse_key(text)
        signer = self._public.get(key.kid)
        if signer is None:
            raise keys.InvalidKeyError("the key's signer is unknown or has been retired")
        try:
            signer.verify(key.signature, keys.signed_text(key.kid, key.tenant_id, key.generation))
        except InvalidSignature as error:
            raise keys.InvalidKeyError("the key's signature is false") from error
        return VerifiedKey(key.tenant_id, key.generation)


def key_id(public: Ed25519PublicKey) -> str:
    """Return the id of a public key: the first characters of its SHA-256."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:KID_CHARACTERS]


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _raw(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error


def _private(text: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(_raw(text))
