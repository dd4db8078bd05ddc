"""Who is asking: the key of a request, the tenant that it opens, and whether it comes from that tenant's home."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from insula.domain.keys import KEY_HEADER, InvalidKeyError
from insula.gateway import endpoints
from insula.gateway.errors import NotReadyError, UnauthorizedError
from insula.gateway.tenants import Directory, TenantRoute
from insula.services.keys import VerifiedKey

_PREFIX: Final = "/t/"
_SCHEME: Final = "bearer "


class Verifier(Protocol):
    """What tells a true key from a false one."""

    def verify(self, text: str) -> VerifiedKey:
        """Return what a key says.

        Raises:
            InvalidKeyError: Malformed, unknown signer, or a false signature.
        """
        ...


@dataclass(frozen=True)
class Credential:
    """The key that a request carries ("" if none) and the path that it asks for, without the key."""

    key: str
    path: str

    def __repr__(self) -> str:
        return f"Credential(path={self.path!r})"


def credential(raw_path: str, headers: Mapping[str, str]) -> Credential:
    """Take the key out of a request, from the first of three places.

    They are `/t/<key>/…` for clients that can set no header, the Bearer token, and `X-Api-Key` for clients whose
    `Authorization` is for somebody between, such as the API server's proxy.

    Args:
        raw_path: As it came on the wire, without the query.
        headers: The request's.
    """
    authorization = headers.get("Authorization", "")
    if raw_path.startswith(_PREFIX):
        key, slash, rest = raw_path[len(_PREFIX) :].partition("/")
        return Credential(key, slash + rest or "/")
    if authorization[: len(_SCHEME)].lower() == _SCHEME:
        return Credential(authorization[len(_SCHEME) :].strip(), raw_path)
    return Credential(headers.get(KEY_HEADER, "").strip(), raw_path)


def authenticate(key: str, verifier: Verifier, directory: Directory, *, peer: str, now: datetime) -> TenantRoute:
    """Return the tenant that a key opens.

    Args:
        key: As `credential` found it.
        verifier: Tells a true key from a false one.
        directory: Knows the tenants and their homes.
        peer: The address that the request comes from, as the socket says; a header could say anything.
        now: The time, with a zone: the key of an older generation opens until its grace ends.

    Raises:
        UnauthorizedError: No key, a false one, a generation that is not in force, a tenant that is gone, or a key
            that is used from another tenant's home.
        NotReadyError: The directory does not know all tenants yet. A 401 would make a home ask for a new key.
    """
    if not key:
        raise UnauthorizedError("a key is needed: send Authorization: Bearer <key>")
    try:
        verified = verifier.verify(key)
    except InvalidKeyError as error:
        raise UnauthorizedError(error.message) from error
    if not directory.synced:
        raise NotReadyError("the gateway is still learning where the homes are", retry_after_s=2)
    route = directory.find(verified.tenant_id)
    if route is None:
        raise UnauthorizedError("the key's tenant does not exist")
    if not route.takes(verified.generation, now):
        raise UnauthorizedError(
            f"the key has generation {verified.generation}, but another one is in force",
            tenant=route.name,
        )
    living_there = directory.living_at(endpoints.plain(peer))
    if living_there and route.tenant_id not in living_there:
        raise UnauthorizedError("this key belongs to another home", tenant=route.name)
    return route
