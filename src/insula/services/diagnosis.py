"""The doctor: looks at a cluster and at what Insula needs of it; `findings` judges what was seen."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import yaml

from insula.domain import names
from insula.domain.errors import InsulaError, NotFoundError, RefusedError, UnavailableError
from insula.domain.manifests import Manifest, ObjectRef
from insula.services import findings
from insula.services.findings import Finding

COMPONENT: Final = "app.kubernetes.io/component"
OURS: Final = {"app.kubernetes.io/name": "insula"}
PLATFORM_KEY: Final = "platform.yaml"  # in the chart's ConfigMap: the settings that the operator reads


class Cluster(Protocol):
    """What the doctor needs from Kubernetes. Every method may raise an InsulaError."""

    async def version(self) -> str:
        """Return the API server's version, as "v1.37.2"."""

    async def find(self, ref: ObjectRef) -> Manifest | None:
        """Return the object, or None where it does not exist."""

    async def list(
        self, api_version: str, kind: str, *, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        """Return the objects of a kind that bear all the labels."""


# Returns the addresses of a host name; empty where it has none.
Resolve = Callable[[str], Awaitable[list[str]]]


@dataclass(frozen=True)
class Wishes:
    """What the installed values ask of the cluster; the defaults are the chart's."""

    domain: str = ""
    host_template: str = "ha.{tenant}.{domain}"
    ingress_class: str = "nginx"
    storage_class: str = ""
    issuer_kind: str = "ClusterIssuer"
    issuer_name: str = ""


async def examine(cluster: Cluster, resolve: Resolve) -> AsyncIterator[Finding]:
    """Yield one finding after another; where the cluster cannot be reached, that is the only one."""
    try:
        version = await cluster.version()
    except (UnavailableError, RefusedError) as error:
        remedy = error.remedy or "check the kubeconfig's server and credentials"
        yield findings.failed("cluster", f"the API server does not answer: {error.message}", remedy)
        return
    yield findings.ok("cluster", "the API server answers")
    yield findings.version(version)
    for check in (_definitions, _components, _plans):
        for finding in await _careful(check, cluster):
            yield finding
    wishes = await _wishes(cluster)
    for finding in await _careful(lambda each: _surroundings(each, wishes), cluster):
        yield finding
    if wishes.domain:
        host = wishes.host_template.format(tenant="insula-doctor", domain=wishes.domain)
        yield findings.domain_name(host, await resolve(host))


async def _careful(check: Callable[[Cluster], Awaitable[list[Finding]]], cluster: Cluster) -> list[Finding]:
    """Return a check's findings; one that may not look, or finds no such API, is a finding, too."""
    try:
        return await check(cluster)
    except InsulaError as error:
        return [
            findings.warning(
                "access", " ".join(error.message.split()), error.remedy or "ask for the right to read this"
            )
        ]


async def _definitions(cluster: Cluster) -> list[Finding]:
    api = "apiextensions.k8s.io/v1"
    found = {name: await cluster.find(ObjectRef(api, "CustomResourceDefinition", "", name)) for name in DEFINITIONS}
    return [findings.definition(name, manifest) for name, manifest in found.items()]


async def _components(cluster: Cluster) -> list[Finding]:
    result = []
    for component in ("operator", "gateway", "ledger"):
        found = await cluster.list("apps/v1", "Deployment", labels={**OURS, COMPONENT: component})
        result.append(findings.deployment(component, found))
    return result


async def _plans(cluster: Cluster) -> list[Finding]:
    try:
        return [findings.plans(await cluster.list(names.API_VERSION, "Plan"))]
    except NotFoundError:  # the API itself is missing, which is a finding already
        return []


async def _surroundings(cluster: Cluster, wishes: Wishes) -> list[Finding]:
    classes = await cluster.list("networking.k8s.io/v1", "IngressClass")
    storage = await cluster.list("storage.k8s.io/v1", "StorageClass")
    daemons = await cluster.list("apps/v1", "DaemonSet", namespace="kube-system")
    nodes = await cluster.list("v1", "Node")
    return [
        findings.ingress_class(wishes.ingress_class, classes),
        findings.storage_class(wishes.storage_class, storage),
        await _issuer(cluster, wishes),
        findings.network_policies(daemons, nodes, await _tenants(cluster)),
    ]


async def _tenants(cluster: Cluster) -> list[Manifest]:
    try:
        return await cluster.list(names.API_VERSION, "Tenant")
    except NotFoundError:  # the API itself is missing, which is a finding already
        return []


async def _issuer(cluster: Cluster, wishes: Wishes) -> Finding:
    if wishes.issuer_name and wishes.issuer_kind != "ClusterIssuer":
        return findings.warning(
            "issuer", "an Issuer lives in each home's own namespace: not checked", "use a ClusterIssuer"
        )
    if not wishes.issuer_name:
        return findings.issuer(wishes.issuer_kind, "", None)
    ref = ObjectRef("cert-manager.io/v1", "ClusterIssuer", "", wishes.issuer_name)
    return findings.issuer(wishes.issuer_kind, wishes.issuer_name, await cluster.find(ref))


async def _wishes(cluster: Cluster) -> Wishes:
    """Read the platform's settings from the chart's ConfigMap; the defaults where it cannot be found."""
    try:
        maps = await cluster.list("v1", "ConfigMap", labels=OURS)
    except InsulaError:
        return Wishes()
    texts = [each["data"][PLATFORM_KEY] for each in maps if PLATFORM_KEY in each.get("data", {})]
    return read_wishes(yaml.safe_load(texts[0])) if texts else Wishes()


def read_wishes(platform: Mapping[str, Any]) -> Wishes:
    """Take from the operator's settings what the cluster must have for them."""
    ingress, issuer = platform.get("ingress", {}), platform.get("issuer", {})
    default = Wishes()
    return Wishes(
        domain=platform.get("domain", default.domain),
        host_template=platform.get("hostTemplate", default.host_template),
        ingress_class=ingress.get("className", default.ingress_class),
        storage_class=platform.get("storageClass", default.storage_class),
        issuer_kind=issuer.get("kind", default.issuer_kind),
        issuer_name=issuer.get("name", default.issuer_name),
    )


DEFINITIONS: Final = findings.DEFINITIONS
