"""The chart's values, and the part of them that the operator reads as its platform file."""

from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError

from insula.contract import networks
from insula.contract.base import Model, Shape
from insula.contract.fields import Host, Image, ObjectName, StorageGiB
from insula.contract.gpus import GpuSettings
from insula.contract.networks import Ingress, LabelMap, Network, Opening, PodPeer
from insula.contract.plans import PlanSpec, Quantities, RequestsAndLimits
from insula.contract.resolve import explain
from insula.contract.shared_models import SharedModels
from insula.domain import platform
from insula.domain.errors import InvalidSpecError

Url = Annotated[
    str,
    Field(max_length=512),
    Shape(r"https?://[^ ]+", "an address begins with https:// or http://"),
]


class Issuer(Model):
    """Who signs the homes' certificates (cert-manager)."""

    kind: Literal["ClusterIssuer", "Issuer"] = "ClusterIssuer"
    """ClusterIssuer, or an Issuer that stands in every tenant's namespace."""

    name: Annotated[str, Field(max_length=253)] = ""
    """The issuer's name. Empty: no Certificate is made, and the ingress controller's own one serves."""


class ModelRegistry(Model):
    """Where models are pulled from."""

    url: Url = "https://registry.ollama.ai"
    """The registry."""

    opening: Opening | None = None
    """Its address, when it is outside the cluster on a forbidden range. Absent: the internet."""

    pods: PodPeer | None = None
    """Its pods, when it stands in the cluster. Absent: it does not."""


class PackageIndex(Model):
    """Where Home Assistant gets the Python packages that an integration needs."""

    url: Annotated[str, Field(max_length=512)] = ""
    """The index. Empty: the public one."""

    opening: Opening | None = None
    """Its address, when it is on a forbidden range. Absent: the internet."""


class DeletionBrake(Model):
    """How many homes may lose their Tenants before a person is asked whether that is meant."""

    homes: Annotated[int, Field(ge=1, le=100_000)] = 5
    """So many go unasked within the window. When more are to go, all of them wait, and live on meanwhile."""

    window_seconds: Annotated[int, Field(ge=1, le=86_400)] = 600
    """The window in seconds."""


class Isolation(Model):
    """How the homes' walls are proven."""

    probe_every_hours: Annotated[int, Field(ge=0, le=8760)] = 24
    """How often the operator has each home's walls tried from inside, in hours. 0: never."""


class NodeFailure(Model):
    """What becomes of a home whose node does not answer."""

    move_homes: bool = True
    """True: its pods are made anew on another node. False: they wait for the node, or for you to give it up."""

    after_seconds: Annotated[int, Field(ge=0, le=86_400)] = 60
    """How long they wait from when Kubernetes calls the node unreachable, about 50 s after it was last heard."""


class Upgrades(Model):
    """Changes of Home Assistant's image."""

    deadline_seconds: Annotated[int, Field(ge=10, le=86_400)] = 600
    """How long a home may take to answer with another image. Afterwards the one before comes back, with its data."""


class PlatformSettings(Model):
    """What the operator must know about the cluster; written the same in the values and in the platform file."""

    domain: Annotated[str, Field(max_length=200)]
    """The DNS domain under which homes get their names, for example homes.example.com. Required."""

    host_template: Annotated[
        str,
        Field(max_length=200),
        Shape(r"[a-z0-9.-]*\{tenant\}[a-z0-9.-]*\{domain\}", "the template holds {tenant} and ends in {domain}"),
    ] = "ha.{tenant}.{domain}"
    """How a home's host is made of the tenant's name and the domain."""

    ingress: Ingress = Ingress()
    """How homes are reached from outside."""

    issuer: Issuer = Issuer()
    """Who signs the homes' certificates (cert-manager)."""

    storage_class: Annotated[str, Field(max_length=253)] = ""
    """The StorageClass of homes whose plan names none. Empty: the cluster's default."""

    network: Network = Network()
    """What homes may reach."""

    model_registry: ModelRegistry = ModelRegistry()
    """Where models are pulled from."""

    shared_models: SharedModels = SharedModels()
    """Models as images that homes share."""

    package_index: PackageIndex = PackageIndex()
    """Where Home Assistant gets Python packages."""

    isolation: Isolation = Isolation()
    """How the homes' walls are proven."""

    node_selector: LabelMap = Field(default={})
    """Labels of the nodes that may run homes. Empty: all."""

    deletion_brake: DeletionBrake = DeletionBrake()
    """The brake on homes that lose their Tenants."""

    node_failure: NodeFailure = NodeFailure()
    """What becomes of a home whose node does not answer."""

    upgrades: Upgrades = Upgrades()
    """Changes of Home Assistant's image."""

    gpu: GpuSettings = GpuSettings()
    """What the nodes' GPUs are called."""


class PlatformImages(Model):
    """Whole image references."""

    insula: Image
    """Insula itself, for Jobs."""

    home_assistant: Image
    """Home Assistant."""

    ollama: Image
    """Ollama."""

    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When nodes pull."""


class PlatformFile(PlatformSettings):
    """The file that the chart mounts into the operator at /etc/insula/platform.yaml."""

    domain: Host
    """The DNS domain under which homes get their names."""

    images: PlatformImages
    """The images that homes run."""

    release_namespace: ObjectName
    """Where Insula itself stands."""

    gateway_service: ObjectName = "insula-gateway"
    """The gateway's Service there."""

    def to_domain(self) -> platform.Platform:
        """Return the settings as the rest of Insula sees them."""
        registry, index = self.model_registry, self.package_index
        return platform.Platform(
            domain=self.domain,
            images=platform.Images(**self.images.model_dump()),
            release_namespace=self.release_namespace,
            host_template=self.host_template,
            ingress_class=self.ingress.class_name,
            ingress_flavour=self.ingress.flavour,
            ingress_controller=self.ingress.controller.to_domain(),
            ingress_cidrs=self.ingress.controller.cidrs,
            issuer_kind=self.issuer.kind,
            issuer_name=self.issuer.name,
            storage_class=self.storage_class,
            gateway_service=self.gateway_service,
            dns=self.network.dns.to_domain(),
            dns_port=self.network.dns.port,
            forbidden_cidrs=self.network.forbidden_cidrs,
            cluster_cidrs=(*self.network.cluster_cidrs, *self.network.api_server.cidrs),
            trusted_proxies=self.network.trusted_proxies,
            model_registry_url=registry.url,
            model_registry_opening=registry.opening.to_domain() if registry.opening else None,
            model_registry_pods=registry.pods.to_domain() if registry.pods else None,
            model_images=self.shared_models.to_domain(),
            package_index_url=index.url,
            package_index_opening=index.opening.to_domain() if index.opening else None,
            node_selector=networks.pairs(self.node_selector),
            upgrade_deadline_s=float(self.upgrades.deadline_seconds),
            brake=platform.Brake(self.deletion_brake.homes, float(self.deletion_brake.window_seconds)),
            probe_every_hours=self.isolation.probe_every_hours,
            gpu_resources=self.gpu.resources,
            move_after_s=self.node_failure.after_seconds if self.node_failure.move_homes else None,
        )


class ChartImage(Model):
    """An image in parts, so that one of them can be set alone."""

    repository: Annotated[str, Field(max_length=255)]
    """The image's name without its version."""

    tag: Annotated[str, Field(max_length=128)] = ""
    """The version; `latest` is refused."""

    digest: Annotated[str, Field(max_length=71)] = ""
    """The digest, sha256:…; it wins over the tag."""


class ChartImages(Model):
    """The images that Insula and the homes run."""

    insula: ChartImage = ChartImage(repository="")
    """Insula itself. The repository is required; an empty tag is the chart's appVersion."""

    home_assistant: ChartImage = ChartImage(repository="ghcr.io/home-assistant/home-assistant", tag="2026.2.3")
    """Home Assistant."""

    ollama: ChartImage = ChartImage(repository="docker.io/ollama/ollama", tag="0.17.4")
    """Ollama."""

    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When nodes pull."""


class Process(Model):
    """One of Insula's own Deployments."""

    replicas: Annotated[int, Field(ge=1, le=64)] = 2
    """How many pods."""

    resources: RequestsAndLimits
    """CPU and memory of each pod."""


class Gateway(Process):
    """The gateway's Deployment."""

    slots_per_node: Annotated[int, Field(ge=1, le=1024)] = 4
    """How many prompts the homes of one node have computed at a time; the others wait in fair turns. A home on devices
    of its own has its own turns."""


class LedgerDatabase(Model):
    """A PostgreSQL that you run. Without it, the ledger is a file in a volume."""

    secret_name: Annotated[str, Field(max_length=253)] = ""
    """The Secret that holds its URL, postgresql://user:password@host/name. Empty: SQLite in a volume."""

    secret_key: Annotated[str, Field(min_length=1, max_length=253)] = "url"  # noqa: S105  # a name
    """The key in that Secret."""

    ports: Annotated[tuple[Annotated[int, Field(ge=1, le=65535)], ...], Field(max_length=8)] = (5432,)
    """The ports that the ledger may reach it on."""


class LedgerStorage(Model):
    """The volume of a ledger that is a file."""

    size_gib: Annotated[StorageGiB, Field(alias="sizeGiB")] = 1
    """Its size. A home that uses one model every day takes some 80 KB a year."""

    class_name: Annotated[str, Field(max_length=253)] = ""
    """Its StorageClass. Empty: that of the homes."""


class Ledger(Model):
    """The book of what homes use of the models: one pod, without which gateways go on and catch up later."""

    database: LedgerDatabase = LedgerDatabase()
    """A PostgreSQL that you run."""

    storage: LedgerStorage = LedgerStorage()
    """The volume, where there is no PostgreSQL."""

    resources: RequestsAndLimits = RequestsAndLimits(
        requests=Quantities(cpu="20m", memory="96Mi"), limits=Quantities(cpu="1", memory="256Mi")
    )
    """CPU and memory of the pod."""


class Metrics(Model):
    """Who may read the metrics of the operator and the gateway, on port 8080."""

    scraper: PodPeer | None = None
    """The pods that read them, for example Prometheus. Absent: nobody."""


class ServiceAccount(Model):
    """A ServiceAccount of the cluster."""

    namespace: ObjectName
    """Its namespace."""

    name: ObjectName
    """Its name."""


class Admission(Model):
    """The admission policies: the operator writes in homes alone, and nobody else moves a home's walls."""

    policies: Literal["auto", "always", "never"] = "auto"
    """auto makes them where the cluster knows ValidatingAdmissionPolicy (Kubernetes 1.30)."""

    controllers: Annotated[tuple[ServiceAccount, ...], Field(max_length=32)] = (
        ServiceAccount(namespace="cert-manager", name="cert-manager"),
    )
    """Who else works in homes and is not held. Kubernetes' own controllers need not be named."""

    break_glass_groups: Annotated[tuple[Annotated[str, Field(max_length=253)], ...], Field(max_length=16)] = ()
    """Groups of people who are not held. Whoever may delete the policies is not held either, and need not be named."""


class DefaultPlan(Model):
    """A Plan that comes with the chart, so that a first Tenant needs nothing else."""

    create: bool = True
    """True makes the plan and keeps it as these values say. False: bring your own plans."""

    name: ObjectName = "standard"
    """The plan's name."""

    spec: PlanSpec
    """What it gives and allows; see the Plan's own page."""


class Values(PlatformSettings):
    """Everything that can be set when the chart is installed."""

    images: ChartImages = ChartImages()
    """The images that Insula and the homes run."""

    operator: Process
    """The operator: one replica works, the others stand by."""

    gateway: Gateway
    """The gateway: all replicas work."""

    ledger: Ledger = Ledger()
    """The book of what homes use."""

    metrics: Metrics = Metrics()
    """Who may read the metrics."""

    admission: Admission = Admission()
    """The admission policies."""

    default_plan: DefaultPlan
    """The plan that comes with the chart."""


def platform_from_yaml(text: str) -> platform.Platform:
    """Return the settings that a platform file holds.

    Raises:
        InvalidSpecError: The text is no YAML, or a field is missing, unknown or malformed.
    """
    try:
        return PlatformFile.model_validate(yaml.safe_load(text)).to_domain()
    except yaml.YAMLError as error:
        raise InvalidSpecError("the platform file is no YAML", remedy="Correct it and start again.") from error
    except ValidationError as error:
        raise InvalidSpecError(
            f"the platform file is wrong: {explain(error)}", remedy="Correct the chart's values and upgrade."
        ) from error
