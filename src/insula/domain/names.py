"""The names of everything a tenant owns: pure functions of the tenant's name, constant for ever.

A name that changed would orphan the object that bears the old one, so golden tests hold them.
"""

from typing import Final

GROUP: Final = "insula.dev"
API_VERSION: Final = "insula.dev/v1alpha1"
FIELD_MANAGER: Final = "insula"

# Labels. `component` is in selectors and never changes; `network` is what policies match.
LABEL_TENANT: Final = "insula.dev/tenant"  # on everything owned: the tenant's name
LABEL_TENANT_ID: Final = "insula.dev/tenant-id"  # on the Namespace: the identity, a UUID
LABEL_COMPONENT: Final = "insula.dev/component"  # home-assistant | ollama | pull | converse | probe-…
LABEL_NETWORK: Final = "insula.dev/network"  # home-assistant | ollama | pull | converse
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "insula"

# Annotations on the Namespace: the tenant's memory, for a status is never an input.
ANNOTATION_TENANT_UID: Final = "insula.dev/tenant-uid"  # UID of the Tenant object that this home belongs to
ANNOTATION_CLAIMED: Final = "insula.dev/claimed-volume"  # UID of the /config volume claim that holds the accounts
ANNOTATION_DELETION_POLICY: Final = "insula.dev/deletion-policy"  # Retain | Delete
ANNOTATION_KEY_GENERATION: Final = "insula.dev/key-generation"  # generation of the gateway key in force, from 1
ANNOTATION_KEY_GRACE: Final = "insula.dev/key-grace"  # older keys that still open: first generation/until when
ANNOTATION_KEY_ROTATED: Final = "insula.dev/key-rotated"  # the request for a new key that was honoured last
ANNOTATION_GPU_FAILURE: Final = "insula.dev/gpu-failure"  # the last pod whose GPU failed, and which until it is well
ANNOTATION_CONVERSING: Final = "insula.dev/conversing"  # fingerprint of what the conversation agent was set up with
ANNOTATION_AGENT: Final = "insula.dev/agent"  # entity id of the conversation agent that was set up
# JSON {"volume": UID or "images", "models": {name: digest}}: what Ollama has
ANNOTATION_PULLED: Final = "insula.dev/pulled"
ANNOTATION_UPGRADE: Final = "insula.dev/upgrade"  # JSON of an image of Home Assistant that is tried, or failed
ANNOTATION_ACCEPTED_SPEC: Final = "insula.dev/accepted-spec"  # JSON of the last accepted tenant and plan
ANNOTATION_WALLS: Final = "insula.dev/walls"  # JSON: when the walls were tried last, and what came of it
ANNOTATION_INFERENCE: Final = "insula.dev/inference"  # JSON: how the gateway treats the home's prompts
ANNOTATION_OBSTACLE: Final = "insula.dev/obstacle"  # on the Lease: what keeps a home's Ollama from waking
ANNOTATION_RETAINED_SINCE: Final = "insula.dev/retained-since"  # when the Tenant went and its data stayed
ANNOTATION_HELD_SINCE: Final = "insula.dev/held-since"  # since when the brake holds a home whose Tenant went
# Annotation that a person writes: the UID of the Tenant whose home may go past the brake.
ANNOTATION_DEPARTURE_CONFIRMED: Final = "insula.dev/departure-confirmed"
# Annotation on a Tenant: asks for a new key. A time, and the grace in seconds: 2026-11-25T12:00:00Z/900.
ANNOTATION_ROTATE_KEY: Final = "insula.dev/rotate-key"
# Annotation on a Job: what it was made for (a volume's UID, a fingerprint). Another purpose is another Job.
ANNOTATION_PURPOSE: Final = "insula.dev/purpose"
# Annotation on everything rendered: the hash of what was rendered.
ANNOTATION_HASH: Final = "insula.dev/rendered-hash"

# Objects in a tenant's namespace.
HOME_ASSISTANT: Final = "home-assistant"  # Deployment, Service (8123), ServiceAccount, Ingress, Certificate
HOME_ASSISTANT_CONFIG: Final = "home-assistant-config"  # PersistentVolumeClaim, mounted at /config
HOME_ASSISTANT_SCRIPTS: Final = "home-assistant-scripts"  # ConfigMap: start.py, claim.py, configuration
HOME_ASSISTANT_TLS: Final = "home-assistant-tls"  # Secret, made by cert-manager
OLLAMA: Final = "ollama"  # Deployment, ServiceAccount; and the ExternalName Service to the gateway (11434)
OLLAMA_BACKEND: Final = "ollama-backend"  # headless Service in front of the tenant's Ollama (11434)
OLLAMA_MODELS: Final = "ollama-models"  # PersistentVolumeClaim, mounted at /models
ACTIVITY: Final = "activity"  # Lease: whether Ollama sleeps, and when it was last needed
JOBS: Final = "insula-jobs"  # ServiceAccount of Jobs
PULL: Final = "pull-models"  # Job
PULL_COMPONENT: Final = "pull"  # what its pods are labelled
CONVERSE: Final = "converse"  # Job: Ollama integration and default agent
PROBE_PREFIX: Final = "probe-"  # Jobs that try the walls, one for each position
SECRET_PLATFORM_ACCOUNT: Final = "platform-account"  # noqa: S105 (a name; keys: username, password)
SECRET_RESIDENT_ACCOUNT: Final = "resident-account"  # noqa: S105 (a name; keys: username, password: the first)
SECRET_GATEWAY_KEY: Final = "gateway-key"  # noqa: S105 (a name; key: key)

HOME_ASSISTANT_PORT: Final = 8123
OLLAMA_PORT: Final = 11434

NAMESPACE_PREFIX: Final = "insula-"


def namespace(tenant: str) -> str:
    """Return the namespace of a tenant."""
    return NAMESPACE_PREFIX + tenant


def probe(position: str) -> str:
    """Return the name, and the component, of the Job that tries the walls from a position."""
    return PROBE_PREFIX + position


def owned_labels(tenant: str) -> dict[str, str]:
    """Return the labels that every object of a tenant carries."""
    return {LABEL_TENANT: tenant, LABEL_MANAGED_BY: MANAGED_BY}
