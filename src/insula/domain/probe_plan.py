"""Which paths are tried around a home: pure, from what is known of its surroundings, little or much."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from insula.domain import names
from insula.domain.keys import SIGNATURE_CHARACTERS
from insula.domain.probes import Expected, Position, Probe

METADATA: Final = "169.254.169.254:80"  # where clouds tell a machine who it is, and with which rights
INTERNET: Final = "1.1.1.1:443"  # an address that answers wherever there is an internet
KUBELET_PORT: Final = 10250
GATEWAY_ADMIN_PORT: Final = 8080  # metrics; tenants have no business there
API_NAME: Final = "kubernetes.default.svc.cluster.local"
GATEWAY: Final = f"{names.OLLAMA}:{names.OLLAMA_PORT}"  # as Home Assistant knows it
GATEWAY_PATH: Final = "/api/version"
# Kubernetes puts these into a container's arguments, where nobody can know them before.
NODE_OF_THE_POD: Final = "$(NODE_ADDRESS)"
API_OF_THE_POD: Final = "$(KUBERNETES_SERVICE_HOST)"


@dataclass(frozen=True)
class Neighbour:
    """Another tenant. `tenant_id` is empty where it is known by name alone; an address where no pod is ready."""

    name: str
    tenant_id: str = ""
    home_assistant: str = ""
    ollama: str = ""


@dataclass(frozen=True)
class Surroundings:
    """What stands around a home. Doors are `HOST:PORT`; what is not known is empty, and not tried.

    Attributes:
        gateway: The gateway's host name in the cluster.
        nodes: Addresses of nodes.
        api_servers: Doors of the API server.
        node_ports: Doors that Services open on nodes.
        platform: Doors of the platform that no home may enter, by name of the host.
        outside: Doors outside the cluster that Home Assistant may reach and Ollama may not.
        home_assistant: Address of the home's own pod.
        ollama: Address of the home's own pod.
    """

    gateway: str
    nodes: tuple[str, ...] = ()
    api_servers: tuple[str, ...] = ()
    node_ports: tuple[str, ...] = ()
    platform: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    home_assistant: str = ""
    ollama: str = ""
    neighbours: tuple[Neighbour, ...] = ()


def from_within(gateway: str, neighbour: str, outside: tuple[str, ...] = ()) -> Surroundings:
    """Return what a pod knows of its surroundings without asking anybody; an empty `neighbour` is none."""
    return Surroundings(
        gateway=gateway,
        nodes=(NODE_OF_THE_POD,),
        api_servers=(f"{API_OF_THE_POD}:443",),
        outside=outside,
        neighbours=(Neighbour(neighbour),) if neighbour else (),
    )


def plan(around: Surroundings) -> tuple[Probe, ...]:
    """Return the paths to try from the places of Home Assistant and Ollama, in that order."""
    return (*_from_home_assistant(around), *_from_ollama(around))


def _from_home_assistant(around: Surroundings) -> Iterator[Probe]:
    here = Position.HOME_ASSISTANT
    yield Probe("dns", here, f"name:{API_NAME}", Expected.ALLOWED)
    yield Probe("gateway", here, f"http:{GATEWAY}{GATEWAY_PATH}", Expected.ALLOWED)
    yield _shut("gateway-without-key", here, f"http:{GATEWAY}{GATEWAY_PATH}")
    for each in around.neighbours:
        if each.tenant_id:
            yield _shut("gateway-with-forged-key", here, f"http:{GATEWAY}/t/{forged_key(each.tenant_id)}{GATEWAY_PATH}")
        yield from _services_of(each)
    yield _shut("gateway-metrics", here, f"tcp:{around.gateway}:{GATEWAY_ADMIN_PORT}")
    if around.ollama:
        yield _shut("own-ollama", here, f"tcp:{around.ollama}:{names.OLLAMA_PORT}")
    for door in around.platform:
        yield _shut("platform", here, f"tcp:{door}")
    yield from _everywhere(here, around)


def _from_ollama(around: Surroundings) -> Iterator[Probe]:
    """Ollama reaches nobody: what is open to Home Assistant is tried as well, names first."""
    here = Position.OLLAMA
    yield _shut("dns", here, f"name:{API_NAME}")
    yield _shut("internet", here, f"tcp:{INTERNET}")
    for door in around.outside:
        yield _shut("outside", here, f"tcp:{door}")
    if around.home_assistant:
        yield _shut("own-home-assistant", here, f"tcp:{around.home_assistant}:{names.HOME_ASSISTANT_PORT}")
    yield from _everywhere(here, around)


def _services_of(neighbour: Neighbour) -> Iterator[Probe]:
    here, domain = Position.HOME_ASSISTANT, f"{names.namespace(neighbour.name)}.svc.cluster.local"
    is_known = bool(neighbour.tenant_id)
    if neighbour.home_assistant or not is_known:
        address = f"tcp:{names.HOME_ASSISTANT}.{domain}:{names.HOME_ASSISTANT_PORT}"
        yield _shut("neighbour-home-assistant", here, address)
    # A Service without a cluster address: its name is known only while Ollama is awake.
    if neighbour.ollama or not is_known:
        yield _shut("neighbour-ollama", here, f"tcp:{names.OLLAMA_BACKEND}.{domain}:{names.OLLAMA_PORT}")


def _everywhere(here: Position, around: Surroundings) -> Iterator[Probe]:
    """Yield what is forbidden to both, by address: it needs no names."""
    yield _shut("metadata", here, f"tcp:{METADATA}")
    for door in around.api_servers:
        yield _shut("api-server", here, f"tcp:{door}")
    for node in around.nodes:
        yield _shut("kubelet", here, f"tcp:{node}:{KUBELET_PORT}")
    for door in around.node_ports:
        yield _shut("node-port", here, f"tcp:{door}")
    for each in around.neighbours:
        if each.home_assistant:
            address = f"tcp:{each.home_assistant}:{names.HOME_ASSISTANT_PORT}"
            yield _shut("neighbour-home-assistant-pod", here, address)
        if each.ollama:
            yield _shut("neighbour-ollama-pod", here, f"tcp:{each.ollama}:{names.OLLAMA_PORT}")


def forged_key(tenant_id: str) -> str:
    """Return a well-formed key of a tenant that nobody has signed."""
    return f"forged.{tenant_id}.1.{'A' * SIGNATURE_CHARACTERS}"


def _shut(name: str, position: Position, target: str) -> Probe:
    return Probe(name, position, target, Expected.REFUSED)
