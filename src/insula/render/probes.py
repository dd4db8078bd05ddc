"""The Jobs that try a home's walls: pods in the place of Home Assistant and Ollama that are neither.

Policies match the label `network`, which such a pod shares with whom it stands in for. Services, Deployments and the
gateway match `component`, which is its own: no request of anybody's ever comes to it.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from insula.domain import names, probe_plan
from insula.domain.manifests import Manifest
from insula.domain.platform import Platform
from insula.domain.probes import WITHIN, Position, Probe, in_order
from insula.domain.situation import Situation
from insula.render import jobs, objects, pods

DEADLINE_S: Final = 180  # of the pod; the probes themselves end within some ten seconds
RETRIES: Final = 2
# Ollama's place has no DNS, and shall find that out in seconds.
DNS_OPTIONS: Final = [{"name": "timeout", "value": "2"}, {"name": "attempts", "value": "1"}]
NODE_ADDRESS: Final[Manifest] = {"name": "NODE_ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}


def periodic(tenant: str, platform: Platform, situation: Situation) -> Iterator[Manifest]:
    """Yield the Jobs that the operator has try a home's walls from time to time, knowing no addresses."""
    planned = probe_plan.plan(probe_plan.from_within(gateway(platform), situation.neighbour, outside(platform)))
    for position in WITHIN:
        yield job(tenant, platform, position, planned, purpose=situation.probe)


def gateway(platform: Platform) -> str:
    """Return the gateway's host name."""
    return f"{platform.gateway_service}.{platform.release_namespace}.svc.cluster.local"


def outside(platform: Platform) -> tuple[str, ...]:
    """Return the doors outside the cluster that are opened to somebody by address."""
    openings = (platform.package_index_opening, platform.model_registry_opening)
    return tuple(f"{each.cidr.partition('/')[0]}:{each.port}" for each in openings if each is not None)


def job(tenant: str, platform: Platform, position: Position, probes: Iterable[Probe], *, purpose: str) -> Manifest:
    """Return the Job that tries the probes of one position.

    Args:
        tenant: The home's name.
        platform: The provider's settings.
        position: Home Assistant's or Ollama's place.
        probes: Those of other positions are left out.
        purpose: Another one makes another Job.
    """
    name = names.probe(position)
    arguments = ["probe", "--position", position.value]
    for each in in_order(each for each in probes if each.position is position):
        arguments += [f"--{each.expected}", f"{each.name}={each.target}"]
    container = jobs.container(name, platform, arguments, {"tmp": jobs.TMP})
    spec = pods.pod_basics(names.JOBS, platform) | {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": jobs.STOP_S,
        "activeDeadlineSeconds": DEADLINE_S,
        # The walls of the node that the home lives on are the ones that matter.
        "affinity": jobs.beside(tenant, names.HOME_ASSISTANT),
        "dnsConfig": {"options": DNS_OPTIONS},
        "containers": [container | {"env": [*container["env"], NODE_ADDRESS]}],
        "volumes": [pods.scratch_volume("tmp", "64Mi")],
    }
    template = pods.template(tenant, name, spec)
    template["metadata"]["labels"][names.LABEL_NETWORK] = position.value
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": objects.metadata(tenant, name, component=name, annotations={names.ANNOTATION_PURPOSE: purpose}),
        "spec": {"backoffLimit": RETRIES, "template": template},
    }
