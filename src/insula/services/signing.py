"""Keeps the signing keys in their Secret, and what the gateway verifies with in its ConfigMap."""

from typing import Final, Protocol

import structlog

from insula.domain.errors import ConflictError, UnavailableError
from insula.domain.manifests import Manifest, ObjectRef
from insula.domain.names import LABEL_MANAGED_BY, MANAGED_BY
from insula.services.keys import VERIFY_KEYS_ENTRY, SigningKeys

SIGNING_KEYS: Final = "insula-signing-keys"
VERIFY_KEYS: Final = "insula-verify-keys"

_log = structlog.get_logger(__name__)


class KeyStore(Protocol):
    """Where the keys lie."""

    async def find(self, ref: ObjectRef) -> Manifest | None:
        """Return an object as it is now; `None` where there is none."""

    async def create(self, manifest: Manifest) -> Manifest:
        """Create an object; `ConflictError` where the name is taken."""

    async def apply(self, manifest: Manifest) -> Manifest:
        """Make our fields of an object what the manifest says."""


class Signer:
    """Signs tenants' keys with what the Secret holds.

    Args:
        store: Where the keys lie.
        namespace: The release's namespace.
    """

    def __init__(self, store: KeyStore, namespace: str) -> None:
        self._store = store
        self._namespace = namespace
        self._keys: SigningKeys | None = None

    def tenant_key(self, tenant_id: str, generation: int) -> str:
        """Return the key of a tenant; see `SigningKeys.tenant_key`.

        Raises:
            UnavailableError: `refresh` has not succeeded yet.
        """
        if self._keys is None:
            raise UnavailableError("the signing keys have not been read yet")
        return self._keys.tenant_key(tenant_id, generation)

    async def refresh(self) -> None:
        """Read the signing keys, make them where there are none, and publish what verifies them if that differs."""
        secret = await self._store.find(ObjectRef("v1", "Secret", self._namespace, SIGNING_KEYS))
        if secret is None:
            secret = await self._make()
        self._keys = SigningKeys.load(secret.get("data", {}))
        published = await self._store.find(ObjectRef("v1", "ConfigMap", self._namespace, VERIFY_KEYS))
        data = {VERIFY_KEYS_ENTRY: self._keys.verify_keys_json()}
        if published is None or published.get("data") != data:
            await self._store.apply({**self._object("ConfigMap", VERIFY_KEYS), "data": data})
            _log.info("verify_keys_published", namespace=self._namespace, name=VERIFY_KEYS)

    async def _make(self) -> Manifest:
        secret = {**self._object("Secret", SIGNING_KEYS), "type": "Opaque", "data": SigningKeys.generate().dump()}
        try:
            made = await self._store.create(secret)
        except ConflictError as error:  # another operator was faster: its keys are the keys
            raise UnavailableError("another process is making the signing keys") from error
        _log.info("signing_keys_made", namespace=self._namespace, name=SIGNING_KEYS)
        return made

    def _object(self, kind: str, name: str) -> Manifest:
        labels = {LABEL_MANAGED_BY: MANAGED_BY, "app.kubernetes.io/part-of": "insula"}
        metadata = {"name": name, "namespace": self._namespace, "labels": labels}
        return {"apiVersion": "v1", "kind": kind, "metadata": metadata}
