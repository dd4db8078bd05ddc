"""What a person does about homes that lost their Tenants: let them go past the brake, or take them back."""

from insula.domain import names
from insula.domain.errors import NotFoundError, UnavailableError
from insula.domain.manifests import Manifest
from insula.domain.situation import Memory
from insula.reconcile import reading
from insula.services.braking import is_confirmed
from insula.services.tenancy import Cluster, look, namespace_ref, tenant_ref


class HeldError(UnavailableError):
    """The brake holds a home that was to go."""


async def held(cluster: Cluster) -> list[str]:
    """Return the homes that the brake holds, by name."""
    spaces = await cluster.list("v1", "Namespace", labels={names.LABEL_MANAGED_BY: names.MANAGED_BY})
    return sorted(reading.labels(each)[names.LABEL_TENANT] for each in spaces if is_held(each))


def is_held(namespace: Manifest) -> bool:
    """Say whether the brake holds this home, and nobody confirmed yet that it may go."""
    return names.ANNOTATION_HELD_SINCE in reading.annotations(namespace) and not is_confirmed(namespace)


async def adoptable(cluster: Cluster) -> list[str]:
    """Return the held homes whose Tenants were made again, by name."""
    return [name for name in await held(cluster) if await cluster.find(tenant_ref(name)) is not None]


async def confirm(cluster: Cluster, name: str) -> None:
    """Let a home that lost its Tenant go, whatever the brake says. It counts for this departure alone.

    Raises:
        NotFoundError: There is no such home.
    """
    namespace = await _home(cluster, name)
    written = {names.ANNOTATION_DEPARTURE_CONFIRMED: Memory.from_annotations(reading.annotations(namespace)).tenant_uid}
    await cluster.merge_patch(namespace_ref(name), {"metadata": {"annotations": written}})


async def adopt(cluster: Cluster, name: str) -> str:
    """Give a Tenant that was made again the home that bears its name; return the home's identity.

    Raises:
        NotFoundError: There is no such Tenant, or no such home.
    """
    await look(cluster, name)
    identity = reading.labels(await _home(cluster, name))[names.LABEL_TENANT_ID]
    await cluster.merge_patch(tenant_ref(name), {"spec": {"adopt": identity}})
    return identity


async def require_not_held(cluster: Cluster, name: str) -> None:
    """Make sure that waiting for a home to go makes sense.

    Raises:
        HeldError: The brake holds it.
    """
    namespace = await cluster.find(namespace_ref(name))
    if namespace is not None and is_held(namespace):
        raise HeldError(
            f"{name} is kept as it is: more homes lost their Tenants lately than go without a question",
            remedy=f"`insula tenant confirm-deletion {name}` lets it go; else it goes when fewer homes wait",
        )


async def _home(cluster: Cluster, name: str) -> Manifest:
    namespace = await cluster.find(namespace_ref(name))
    if namespace is None or reading.labels(namespace).get(names.LABEL_TENANT) != name:
        raise NotFoundError(f"there is no home of a tenant {name!r}", remedy="`insula tenant list` shows tenants")
    return namespace
