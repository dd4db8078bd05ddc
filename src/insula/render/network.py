"""The walls: nothing in, nothing out, and then one opening at a time.

Policies see addresses and ports after Services are translated: a gateway's pod answers on its own port.
"""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from insula.domain import names, ranges
from insula.domain.manifests import Manifest
from insula.domain.platform import Opening, Platform, PodPeer
from insula.domain.tenants import Tenant
from insula.render import objects

# cert-manager marks and serves its HTTP-01 solver so.
SOLVER_LABELS: Final = {"acme.cert-manager.io/http01-solver": "true"}
SOLVER_PORT: Final = 8089
HTTPS_PORT: Final = 443
HTTP_PORT: Final = 80
NAMESPACE_NAME_LABEL: Final = "kubernetes.io/metadata.name"  # set by Kubernetes itself on every namespace


def policies(tenant: Tenant, platform: Platform) -> tuple[Manifest, ...]:
    """Return the policies of a tenant's namespace, the wall first."""
    return (
        _policy(tenant, "default-deny", {}, ingress=[], egress=[]),
        _dns(tenant, platform),
        _home_assistant(tenant, platform),
        _ollama(tenant, platform),
        _pull(tenant, platform),
        _converse(tenant, platform),
        _solver(tenant, platform),
    )


def _dns(tenant: Tenant, platform: Platform) -> Manifest:
    """Let those who speak to anyone resolve names. Ollama speaks to nobody."""
    speakers = [names.HOME_ASSISTANT, names.PULL_COMPONENT, names.CONVERSE]
    where = {"matchExpressions": [{"key": names.LABEL_NETWORK, "operator": "In", "values": speakers}]}
    ports = [{"protocol": protocol, "port": platform.dns_port} for protocol in ("UDP", "TCP")]
    return _policy(tenant, "dns", where, egress=[{"to": [_pods_elsewhere(platform.dns)], "ports": ports}])


def _home_assistant(tenant: Tenant, platform: Platform) -> Manifest:
    """Let the ingress controller in; let Home Assistant out to the gateway, the internet, and what the plan opens."""
    openings = [] if platform.package_index_opening is None else [_opening(platform.package_index_opening)]
    return _policy(
        tenant,
        names.HOME_ASSISTANT,
        _network(names.HOME_ASSISTANT),
        ingress=[
            {
                "from": [*_ingress_controller(platform), _pods_here(names.CONVERSE)],
                "ports": _tcp(names.HOME_ASSISTANT_PORT),
            }
        ],
        egress=[
            {"to": [_pods_elsewhere(_gateway(platform))], "ports": _tcp(names.OLLAMA_PORT)},
            # All ports: integrations speak MQTT, RTSP and much else.
            *_rules(_internet(platform)),
            *_rules(_lan(tenant, platform)),
            *openings,
        ],
    )


def _ollama(tenant: Tenant, platform: Platform) -> Manifest:
    """Let the gateway alone in; Ollama itself goes nowhere, so that no model can tell what it heard."""
    rule = {"from": [_pods_elsewhere(_gateway(platform))], "ports": _tcp(names.OLLAMA_PORT)}
    return _policy(tenant, names.OLLAMA, _network(names.OLLAMA), ingress=[rule])


def _pull(tenant: Tenant, platform: Platform) -> Manifest:
    rules: list[Manifest] = []
    if platform.model_registry_pods is not None:
        # A registry may hand out blobs on a port of its own, so no port is named.
        rules.append({"to": [_pods_elsewhere(platform.model_registry_pods)]})
    if platform.model_registry_opening is not None:
        rules.append(_opening(platform.model_registry_opening))
    if not rules:
        ports = sorted({HTTPS_PORT, _port(platform.model_registry_url)})
        rules += _rules(_internet(platform), ports=_tcp(*ports))
    return _policy(tenant, names.PULL, _network(names.PULL_COMPONENT), egress=rules)


def _converse(tenant: Tenant, platform: Platform) -> Manifest:
    """Let the Job reach the home that it sets up, and the gateway, which it asks what the model can do."""
    rules: list[Manifest] = [
        {"to": [_pods_here(names.HOME_ASSISTANT)], "ports": _tcp(names.HOME_ASSISTANT_PORT)},
        {"to": [_pods_elsewhere(_gateway(platform))], "ports": _tcp(names.OLLAMA_PORT)},
    ]
    return _policy(tenant, names.CONVERSE, _network(names.CONVERSE), egress=rules)


def _solver(tenant: Tenant, platform: Platform) -> Manifest:
    """Let the certificate's issuer see the solver before the home has a route of its own."""
    rule = {"from": _ingress_controller(platform), "ports": _tcp(SOLVER_PORT)}
    return _policy(tenant, "acme-solver", {"matchLabels": SOLVER_LABELS}, ingress=[rule])


def _policy(
    tenant: Tenant,
    name: str,
    pod_selector: Manifest,
    *,
    ingress: list[Manifest] | None = None,
    egress: list[Manifest] | None = None,
) -> Manifest:
    """Return a policy; a direction that is None is not its business."""
    rules = {"Ingress": ingress, "Egress": egress}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": objects.metadata(tenant.name, name),
        "spec": {
            "podSelector": pod_selector,
            "policyTypes": [direction for direction, given in rules.items() if given is not None],
            **{direction.lower(): given for direction, given in rules.items() if given},
        },
    }


def _network(component: str) -> Manifest:
    return {"matchLabels": {names.LABEL_NETWORK: component}}


def _pods_here(component: str) -> Manifest:
    return {"podSelector": _network(component)}


def _pods_elsewhere(peer: PodPeer) -> Manifest:
    return {
        "namespaceSelector": {"matchLabels": {NAMESPACE_NAME_LABEL: peer.namespace}},
        "podSelector": {"matchLabels": dict(peer.labels)} if peer.labels else {},
    }


def _gateway(platform: Platform) -> PodPeer:
    return PodPeer(platform.release_namespace, platform.gateway_labels)


def _ingress_controller(platform: Platform) -> list[Manifest]:
    return [_pods_elsewhere(platform.ingress_controller), *map(_block, platform.ingress_cidrs)]


def _internet(platform: Platform) -> list[Manifest]:
    """Return the internet: all that is routed, less what the provider forbids and what no home reaches."""
    shut = (*platform.forbidden_cidrs, *platform.cluster_cidrs, *ranges.SEALED)
    return [_block(each.cidr, each.exceptions) for each in ranges.without(ranges.INTERNET, shut)]


def _lan(tenant: Tenant, platform: Platform) -> list[Manifest]:
    """Return what the plan opens, less what no plan can: a LAN stays open around the nodes that stand in it."""
    shut = (*platform.cluster_cidrs, *ranges.SEALED)
    return [_block(each.cidr, each.exceptions) for each in ranges.without(tenant.allowed_cidrs, shut)]


def _rules(to: list[Manifest], **fields: Any) -> list[Manifest]:
    """Return the rule that leads there, none if it leads nowhere: an empty `to` would mean everywhere."""
    return [{"to": to, **fields}] if to else []


def _block(cidr: str, exceptions: Sequence[str] = ()) -> Manifest:
    return {"ipBlock": {"cidr": cidr, **({"except": list(exceptions)} if exceptions else {})}}


def _opening(opening: Opening) -> Manifest:
    return {"to": [_block(opening.cidr)], "ports": _tcp(opening.port)}


def _tcp(*ports: int) -> list[dict[str, Any]]:
    return [{"protocol": "TCP", "port": port} for port in ports]


def _port(url: str) -> int:
    """Return the port that a URL means."""
    parts = urlsplit(url)
    return parts.port or (HTTP_PORT if parts.scheme == "http" else HTTPS_PORT)
