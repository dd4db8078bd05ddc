"""The part of the settings that network policies are made of: whom homes meet, and which ranges they reach."""

from typing import Annotated, Final

from pydantic import Field

from insula.contract.base import Model
from insula.contract.fields import Cidr, ObjectName, Port
from insula.domain import platform
from insula.domain.platform import IngressFlavour

LabelMap = Annotated[
    dict[Annotated[str, Field(max_length=317)], Annotated[str, Field(max_length=63)]], Field(max_length=16)
]
Cidrs = Annotated[tuple[Cidr, ...], Field(max_length=64)]
_PRIVATE: Final = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")


class PodPeer(Model):
    """Pods that a network policy opens for."""

    namespace: Annotated[str, Field(min_length=1, max_length=63)]
    """The namespace's name."""

    labels: LabelMap = Field(default={})
    """Labels of the pods. Empty: all pods there."""

    def to_domain(self) -> platform.PodPeer:
        """Return the peer as the rest of Insula sees it."""
        return platform.PodPeer(self.namespace, pairs(self.labels))


class Opening(Model):
    """An address outside the cluster that homes may reach."""

    cidr: Cidr
    """The range of addresses."""

    port: Port
    """The TCP port."""

    def to_domain(self) -> platform.Opening:
        """Return the opening as the rest of Insula sees it."""
        return platform.Opening(self.cidr, self.port)


class IngressController(PodPeer):
    """The ingress controller, as network policies see it."""

    namespace: Annotated[str, Field(min_length=1, max_length=63)] = "ingress-nginx"
    """Its namespace."""

    labels: LabelMap = Field(default={})
    """Labels of its pods. Empty: all pods there."""

    cidrs: Cidrs = ()
    """Ranges of the nodes, where the controller runs in their own network (hostNetwork): it comes from there then."""


class Ingress(Model):
    """How homes are reached from outside."""

    class_name: ObjectName = "nginx"
    """The IngressClass of the homes' Ingresses."""

    flavour: IngressFlavour = IngressFlavour.NGINX
    """Whose annotations the Ingresses carry: nginx (Traefik reads them, too), traefik, or none."""

    controller: IngressController = IngressController()
    """The controller: it alone may reach Home Assistant."""


class Dns(PodPeer):
    """The cluster's DNS."""

    namespace: Annotated[str, Field(min_length=1, max_length=63)] = "kube-system"
    """The namespace of the DNS pods."""

    labels: LabelMap = Field(default={"k8s-app": "kube-dns"})
    """The labels of the DNS pods."""

    port: Port = 53
    """The port of the DNS pods behind their Service."""


class ApiServer(Model):
    """The Kubernetes API as the operator's and the gateway's pods reach it."""

    cidrs: Cidrs = ()
    """Ranges that hold the API server's own addresses (not its Service's). Empty: any address on these ports."""

    ports: Annotated[tuple[Port, ...], Field(min_length=1, max_length=8)] = (443, 6443)
    """Its ports; policies see the port behind the Service."""


class Network(Model):
    """The ranges that homes may and may not reach, written once: they never grow with the nodes."""

    dns: Dns = Dns()
    """The cluster's DNS."""

    forbidden_cidrs: Annotated[Cidrs, Field(alias="forbiddenCIDRs")] = (
        *_PRIVATE,
        "100.64.0.0/10",
        "192.0.0.0/24",
        "198.18.0.0/15",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/32",
        "2002::/16",
        "fc00::/7",
    )
    """What is no internet: no home reaches it, unless a plan opens a part of it (allowedCIDRs)."""

    cluster_cidrs: Annotated[Cidrs, Field(alias="clusterCIDRs")] = ()
    """The cluster's own ranges: pods, Services, nodes, API server. No home reaches them, and no plan opens them."""

    trusted_proxies: Cidrs = _PRIVATE
    """Ranges whose X-Forwarded-For Home Assistant believes: the pod network. Policies let only the ingress in."""

    api_server: ApiServer = ApiServer()
    """The Kubernetes API, for the policies around the operator and the gateway."""


def pairs(labels: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Return labels as the rest of Insula sees them."""
    return tuple(sorted(labels.items()))
