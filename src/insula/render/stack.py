"""The whole of a home, in the order of its making."""

from collections.abc import Iterator

from insula.domain.manifests import Manifest
from insula.domain.platform import Platform
from insula.domain.situation import Situation, Stack
from insula.domain.tenants import Tenant
from insula.render import (
    accounts,
    activity,
    home_assistant,
    jobs,
    namespace,
    network,
    objects,
    ollama,
    probes,
    quota,
    route,
    storage,
)


def stack(situation: Situation, platform: Platform) -> Stack:
    """Return every object that the home has in this situation.

    A suspended home keeps all but its Jobs, with no replicas. A home without a Tenant keeps its Namespace alone:
    what else stands is the pruner's to judge.
    """
    home = objects.stamped(namespace.namespace(situation))
    tenant = situation.tenant
    if tenant is None:
        return Stack(ground=(home,))
    ground = (objects.stamped(each) for each in _ground(tenant, situation, platform))
    house = (objects.stamped(each) for each in _house(tenant, situation, platform))
    return Stack(ground=(home, *ground), house=tuple(house))


def _ground(tenant: Tenant, situation: Situation, platform: Platform) -> Iterator[Manifest]:
    """Yield the walls before anything that could look over them.

    The operator's own binding is the first: the API server has honoured it when the Secrets' turn comes.
    """
    yield accounts.operator_binding(tenant.name, platform)
    yield from quota.quotas(tenant, platform, moving=situation.moving)
    yield quota.limit_range(tenant)
    yield from network.policies(tenant, platform)
    yield from accounts.service_accounts(tenant.name)
    if tenant.ollama.inference.sleep_after_s is not None:
        yield activity.gateway_binding(tenant.name, platform)
        yield activity.lease(tenant.name, situation.obstacle)


def _house(tenant: Tenant, situation: Situation, platform: Platform) -> Iterator[Manifest]:
    """Yield what lives behind them: volumes first, the way in last."""
    yield from storage.volumes(tenant, platform)
    yield home_assistant.scripts(tenant)
    yield home_assistant.service(tenant)
    yield from ollama.services(tenant, platform)
    yield home_assistant.deployment(tenant, platform, is_taken_back=situation.memory.upgrade.is_taken_back)
    yield ollama.deployment(tenant, platform, instead_of=situation.memory.gpu_failure.replaced, asleep=situation.asleep)
    if platform.issuer_name:
        yield route.certificate(tenant, platform)
    if situation.pull and tenant.ollama.models and not tenant.suspended:
        yield jobs.pull(tenant, platform, situation.pull)
    if situation.converse and tenant.ollama.models and not tenant.suspended:
        yield jobs.converse(tenant, platform, situation.converse)
    if situation.probe and not tenant.suspended:
        yield from probes.periodic(tenant.name, platform, situation)
    if situation.route:
        yield route.ingress(tenant, platform)
