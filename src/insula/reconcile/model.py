"""What goes into a decision and what comes out of it: plain frozen values, no behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from insula.domain.errors import InvalidSpecError
from insula.domain.manifests import Manifest, ObjectRef
from insula.domain.tenants import Tenant


@dataclass(frozen=True)
class OwnedKind:
    """A kind that the operator watches, applies and prunes.

    `optional` kinds come from another product's CRD: where the API server does not know them, there are none.
    """

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True
    optional: bool = False


# Watched by the label insula.dev/tenant, but never pruned by kind.
NAMESPACE_KIND: Final = OwnedKind("v1", "Namespace", "namespaces", namespaced=False)
POD_KIND: Final = OwnedKind("v1", "Pod", "pods")

# In the order of making. Secrets are missing on purpose: the operator may only touch them in a tenant's namespace.
OWNED_KINDS: Final[tuple[OwnedKind, ...]] = (
    OwnedKind("v1", "ResourceQuota", "resourcequotas"),
    OwnedKind("v1", "LimitRange", "limitranges"),
    OwnedKind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    OwnedKind("v1", "ServiceAccount", "serviceaccounts"),
    OwnedKind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
    OwnedKind("coordination.k8s.io/v1", "Lease", "leases"),
    OwnedKind("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    OwnedKind("v1", "ConfigMap", "configmaps"),
    OwnedKind("v1", "Service", "services"),
    OwnedKind("apps/v1", "Deployment", "deployments"),
    OwnedKind("batch/v1", "Job", "jobs"),
    OwnedKind("cert-manager.io/v1", "Certificate", "certificates", optional=True),
    OwnedKind("networking.k8s.io/v1", "Ingress", "ingresses"),
)


class SecretKind(StrEnum):
    """What a Secret holds, and so how its content is made."""

    PLATFORM_ACCOUNT = "platform-account"
    """Keys `username`, `password` (random)."""
    RESIDENT_ACCOUNT = "resident-account"
    """Keys `username`, `password` (random, the initial one)."""
    GATEWAY_KEY = "gateway-key"
    """Key `key`: `kid.tenant-id.generation.signature`."""


@dataclass(frozen=True)
class SecretWish:
    """A Secret that is missing: the service makes its content and creates it.

    `username` is empty for the gateway's key. `key_generation` is 0 for accounts. `replace` is true only for a gateway
    key of an older generation, a pure function that may be overwritten; an account is never overwritten.
    """

    ref: ObjectRef
    kind: SecretKind
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    username: str = ""
    tenant_id: str = ""
    key_generation: int = 0
    replace: bool = False


@dataclass(frozen=True)
class EventWish:
    """A Kubernetes Event about the Tenant: `type` is Normal or Warning."""

    type: str
    reason: str
    message: str


@dataclass(frozen=True)
class PullProgress:
    """The last line that the pull Job printed: bytes of one model."""

    model: str
    completed: int
    total: int

    @property
    def percent(self) -> int:
        """Whole percent, 0 while the size is not known."""
        return min(100, 100 * self.completed // self.total) if self.total > 0 else 0


@dataclass(frozen=True)
class Observed:
    """What the operator saw, nothing more.

    Attributes:
        tenant: The raw Tenant object; None when it is gone.
        desired: What the Tenant's present spec resolves to with its Plan; None when it was rejected or is gone.
        rejection: Why the present spec was rejected; None when it was accepted.
        accepted_spec: The JSON to latch on the Namespace when `desired` is taken into force.
        latched: What the Namespace's annotation `insula.dev/accepted-spec` resolves to: the last accepted spec, which
            keeps running while a newer one is rejected; None where there is none or it no longer parses.
        namespace: The raw Namespace `insula-<name>`; None when it does not exist.
        objects: Every live object of OWNED_KINDS and every Pod in the namespace with the label `insula.dev/tenant`.
        secrets: The known Secrets that exist, by name, raw.
        host_claims: Host → name of the tenant that holds it (oldest creation time, then UID). Only hosts of tenants
            whose own spec was accepted by itself; rejected ones claim nothing but what they have latched.
        pull_progress: The last log line of the pull Job's running pod.
        waiting: What the present spec resolves to with the plan as it was last accepted; None: the plan has not
            changed, or not so that it matters.
        waiting_spec: The JSON to latch with it.
        own_change: Whether the Tenant itself has changed since it was last accepted.
        may_restart: Whether pods that run may be restarted for what is not the tenant's own change.
        hold: Why a home that lost its Tenant may not go now, in words; empty: it may.
        neighbour: Another tenant whose home stands, empty where none is known.
        used_gpu_s: For how many seconds models have computed for the home today, as far as is known.
    """

    tenant: Manifest | None = None
    desired: Tenant | None = None
    rejection: InvalidSpecError | None = None
    accepted_spec: str = ""
    latched: Tenant | None = None
    namespace: Manifest | None = None
    objects: Mapping[ObjectRef, Manifest] = field(default_factory=dict)
    secrets: Mapping[str, Manifest] = field(default_factory=dict)
    host_claims: Mapping[str, str] = field(default_factory=dict)
    pull_progress: PullProgress | None = None
    waiting: Tenant | None = None
    waiting_spec: str = ""
    own_change: bool = True
    may_restart: bool = True
    hold: str = ""
    neighbour: str = ""
    used_gpu_s: float = 0.0


@dataclass(frozen=True)
class Turn:
    """How a home stands in the queue of those that a change goes through.

    `waits` says that its pods would be restarted if it had its turn; `is_down` that it does not answer now, or runs
    something that it had to go back to. A suspended home is neither.
    """

    plan: str
    waits: bool = False
    is_down: bool = False


@dataclass(frozen=True)
class Decision:
    """What to do now, in the order of the fields. An unchanged world gives an empty one.

    Attributes:
        ground: To apply first: namespace, quotas, walls, accounts and the RoleBinding that opens the Secrets to the
            operator (the API server may need a moment to honour it: a first 403 on a Secret is worth another try).
        create_secrets: To create next: the house mounts them.
        apply: To apply then, in order. Neither tuple holds what `covers` found unchanged.
        delete: To delete last, in order, in the background; "not found" is success. A Namespace in it destroys data:
            confirm with the API server, not the cache, that the Tenant is gone, and keep a brake on many at once.
        activity: The patch of the Lease that says whether Ollama sleeps; it carries the version that was judged.
        status: The Tenant's whole `.status`; None: nothing to write.
        events: Transitions only.
        turn: How the home stands in the queue of a change; None: it has nothing that runs.
        look_again_s: Seconds until the next look although nothing happens; None: no need.
    """

    ground: tuple[Manifest, ...] = ()
    create_secrets: tuple[SecretWish, ...] = ()
    apply: tuple[Manifest, ...] = ()
    delete: tuple[ObjectRef, ...] = ()
    activity: Manifest | None = None
    status: Manifest | None = None
    events: tuple[EventWish, ...] = ()
    turn: Turn | None = None
    look_again_s: float | None = None

    @property
    def is_empty(self) -> bool:
        """Say whether nothing is to be written; a next look may still be due."""
        writes = (self.ground, self.create_secrets, self.apply, self.delete, self.activity, self.status, self.events)
        return not any(writes)
