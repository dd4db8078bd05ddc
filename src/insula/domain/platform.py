"""What the provider's cluster is like: where the gateway stands, how routes are made, which images run."""

from dataclasses import dataclass, field
from enum import StrEnum

from insula.domain.models import ModelImage


class IngressFlavour(StrEnum):
    """Whose annotations an Ingress carries."""

    NGINX = "nginx"
    TRAEFIK = "traefik"
    NONE = "none"


@dataclass(frozen=True)
class Images:
    """Image references, by digest or by a tag that never moves."""

    insula: str
    home_assistant: str
    ollama: str
    pull_policy: str = "IfNotPresent"


@dataclass(frozen=True)
class Opening:
    """An address outside the cluster's own services that a component may reach: CIDR and TCP port."""

    cidr: str
    port: int


@dataclass(frozen=True)
class PodPeer:
    """Pods that a policy opens for: the namespace's name and the pods' labels (empty: all pods there)."""

    namespace: str
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Brake:
    """How many homes may lose their Tenants within how many seconds before a person is asked."""

    homes: int = 5
    window_s: float = 600.0


@dataclass(frozen=True)
class Platform:
    """The settings that the operator got from the chart's values; see `contract.values` for each one's meaning."""

    domain: str
    images: Images
    release_namespace: str
    host_template: str = "ha.{tenant}.{domain}"
    ingress_class: str = "nginx"
    ingress_flavour: IngressFlavour = IngressFlavour.NGINX
    ingress_controller: PodPeer = PodPeer("ingress-nginx")
    ingress_cidrs: tuple[str, ...] = ()  # where a controller in the nodes' own network comes from: the nodes
    issuer_kind: str = "ClusterIssuer"
    issuer_name: str = ""
    storage_class: str = ""
    gateway_service: str = "insula-gateway"
    gateway_labels: tuple[tuple[str, str], ...] = (("app.kubernetes.io/component", "gateway"),)
    dns: PodPeer = PodPeer("kube-system", (("k8s-app", "kube-dns"),))
    dns_port: int = 53
    forbidden_cidrs: tuple[str, ...] = ()  # no internet: private ranges and the like, of which a plan may open some
    cluster_cidrs: tuple[str, ...] = ()  # pods, Services, nodes, API server: no plan opens them
    trusted_proxies: tuple[str, ...] = ()  # ranges whose X-Forwarded-For Home Assistant believes: the pod network
    model_registry_url: str = "https://registry.ollama.ai"
    model_registry_opening: Opening | None = None  # outside address; None: the internet less forbidden_cidrs
    model_registry_pods: PodPeer | None = None  # a registry inside the cluster
    model_images: tuple[ModelImage, ...] = ()  # what homes whose plan takes models from images may have
    package_index_url: str = ""  # empty: the public index
    package_index_opening: Opening | None = None
    node_selector: tuple[tuple[str, str], ...] = field(default=())
    brake: Brake = Brake()
    probe_every_hours: int = 24  # how often each home's walls are tried; 0: never
    move_after_s: int | None = 60  # how long a home waits for a node that does not answer; None: for ever
    upgrade_deadline_s: float = 600.0  # how long another image of Home Assistant may take to become ready
    operator_service_account: str = "insula-operator"  # in the release's namespace; bound to the role below
    tenant_secrets_role: str = "insula-tenant-secrets"  # ClusterRole: read and make the Secrets of one tenant
    gateway_service_account: str = "insula-gateway"  # in the release's namespace; bound to the role below
    activity_role: str = "insula-gateway-activity"  # ClusterRole: write the Lease `activity` of one tenant
    gpu_resources: tuple[str, ...] = ()  # what nodes call their GPUs besides nvidia.com/gpu and nvidia.com/gpu.shared
