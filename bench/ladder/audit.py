"""What the API server's own audit log tells: who wrote what, and when it was asked and answered."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from api.homes import OPERATOR
from bench.ladder.world import Place, tenant_of

# From the plurals in the log to the kinds of a home's objects.
_KINDS: Final[Mapping[str, str]] = {
    "certificates": "Certificate",
    "configmaps": "ConfigMap",
    "deployments": "Deployment",
    "ingresses": "Ingress",
    "jobs": "Job",
    "limitranges": "LimitRange",
    "namespaces": "Namespace",
    "networkpolicies": "NetworkPolicy",
    "persistentvolumeclaims": "PersistentVolumeClaim",
    "resourcequotas": "ResourceQuota",
    "rolebindings": "RoleBinding",
    "secrets": "Secret",
    "serviceaccounts": "ServiceAccount",
    "services": "Service",
}


@dataclass(frozen=True)
class Write:
    """One write that the API server answered; times in seconds since 1970, by its own clock."""

    user: str
    verb: str
    resource: str
    subresource: str
    namespace: str
    name: str
    status: int
    asked_at: float
    answered_at: float

    @property
    def is_operators(self) -> bool:
        """Say whether an operator wrote, and not its Lease."""
        return self.user == OPERATOR and self.resource != "leases"

    @property
    def is_done(self) -> bool:
        """Say whether it was carried out."""
        return self.status < 400  # noqa: PLR2004

    @property
    def server_s(self) -> float:
        """Seconds that the API server took for it."""
        return self.answered_at - self.asked_at

    @property
    def tenant(self) -> str:
        """The tenant whose object was written, empty if nobody's."""
        return tenant_of(self.name if self.resource == "namespaces" else self.namespace)

    @property
    def place(self) -> Place:
        """Which of the tenant's objects that is."""
        return _KINDS.get(self.resource, self.resource), "" if self.resource == "namespaces" else self.name

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.verb} {self.resource} {where}{self.name} {self.status}"


class Log:
    """The log from a moment on.

    Args:
        path: The API server's audit log; it is read from its present end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = path.stat().st_size

    def writes(self) -> Iterator[Write]:
        """Yield the writes since the last call."""
        with self._path.open("rb") as log:
            log.seek(self._at)
            for line in log:
                if not line.endswith(b"\n"):
                    break  # it is being written; the next call reads it
                self._at += len(line)
                yield _read(json.loads(line))


@dataclass(frozen=True)
class Making:
    """How one home was made: seconds from the request that created its Tenant to the last of its objects.

    `server_s` is the part that the API server took for the operator's writes, one after the other.
    """

    tenant: str
    whole_s: float
    server_s: float


def makings(writes: Iterable[Write], wanted: frozenset[Place]) -> Iterator[Making]:
    """Yield how each home was made whose Tenant was created, if all `wanted` objects were."""
    asked: dict[str, float] = {}
    made: dict[str, dict[Place, float]] = {}
    server: dict[str, float] = {}
    for write in writes:
        if write.resource == "tenants" and write.verb == "create" and write.is_done:
            asked[write.name] = write.asked_at
        elif write.is_operators and write.tenant and write.is_done and not write.subresource:
            places = made.setdefault(write.tenant, {})
            if write.place in wanted and write.place not in places:
                places[write.place] = write.answered_at
                server[write.tenant] = server.get(write.tenant, 0.0) + write.server_s
    for name, begun_at in asked.items():
        if made.get(name, {}).keys() == wanted:
            yield Making(name, max(made[name].values()) - begun_at, server[name])


def _read(event: Mapping[str, Any]) -> Write:
    target = event.get("objectRef", {})
    return Write(
        user=event["user"]["username"],
        verb=event["verb"],
        resource=target.get("resource", ""),
        subresource=target.get("subresource", ""),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        status=event.get("responseStatus", {}).get("code", 0),
        asked_at=datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp(),
        answered_at=datetime.fromisoformat(event["stageTimestamp"]).timestamp(),
    )
