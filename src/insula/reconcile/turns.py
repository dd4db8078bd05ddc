"""Whether a home has to wait for its turn: pods that answer are not restarted for all homes at once."""

from collections.abc import Iterable, Mapping

from insula.domain.manifests import Manifest, ObjectRef, reference
from insula.reconcile import reading
from insula.reconcile.model import Turn
from insula.reconcile.view import View


def must_wait(view: View, house: Iterable[Manifest]) -> bool:
    """Say whether what was rendered would restart pods that answer, out of turn and not by the tenant's own wish."""
    observed = view.observed
    if observed.may_restart or (observed.own_change and observed.waiting is None) or not _answers(view):
        return False
    return bool(restarting(house, observed.objects))


def restarting(house: Iterable[Manifest], objects: Mapping[ObjectRef, Manifest]) -> frozenset[ObjectRef]:
    """Return the Deployments whose pods would be made anew; one without pods waits for nobody."""
    return frozenset(
        reference(each)
        for each in house
        if each["kind"] == "Deployment"
        and (live := objects.get(reference(each))) is not None
        and 0 not in (live["spec"].get("replicas"), each["spec"]["replicas"])
        and _mark(live) != _mark(each)
    )


def turn(view: View, *, waits: bool, restarts: bool) -> Turn:
    """Return how the home stands. `restarts` says that its pods are made anew now."""
    tenant = view.tenant
    if tenant.suspended:
        return Turn(tenant.plan)
    is_current = view.facts.home_assistant.is_current and view.facts.ollama.is_current
    is_down = restarts or not _answers(view) or not is_current or bool(view.memory.upgrade.failed)
    return Turn(tenant.plan, waits=waits, is_down=is_down)


def _answers(view: View) -> bool:
    return view.facts.home_assistant.is_ready and view.facts.ollama.is_ready


def _mark(deployment: Manifest) -> str:
    template: Manifest = deployment["spec"]["template"]
    return reading.rendered_hash(template)
