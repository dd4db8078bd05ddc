"""Whether all parts of a home are as the spec says, besides those that have a condition of their own."""

from collections.abc import Iterator

from insula.domain import names
from insula.domain.errors import cap
from insula.reconcile import reading
from insula.reconcile.covers import quantity
from insula.reconcile.reasons import Reason
from insula.reconcile.view import Finding, View, good, lacking

TITLES = {names.HOME_ASSISTANT_CONFIG: "Home Assistant's volume", names.OLLAMA_MODELS: "the volume for models"}


def up_to_date(view: View) -> Finding:
    """Say whether image and volumes are as asked."""
    upgrade = view.memory.upgrade
    if not view.facts.home_assistant_image:
        return lacking(Reason.MAKING, "the home is being made")
    minutes = f"{view.platform.upgrade_deadline_s / 60:g} minutes"
    if upgrade.failed:
        logs = f"kubectl -n {names.namespace(view.tenant.name)} get events"
        return lacking(
            Reason.ROLLED_BACK,
            f"Home Assistant did not answer with {upgrade.tried} within {minutes}: {upgrade.failed}. {upgrade.good} "
            f"runs again with the data from before. Ask for another image; `{logs}` may tell more",
        )
    if upgrade.tried:
        message = f"Home Assistant goes from {upgrade.good} to {upgrade.tried}; it has {minutes} to answer"
        return lacking(Reason.UPGRADING, message)
    growing = ". ".join(_growing(view))
    return lacking(Reason.GROWING, growing) if growing else good(Reason.CURRENT, "image and volumes are as asked")


def _growing(view: View) -> Iterator[str]:
    for name, title in TITLES.items():
        claim = reading.find(view.observed.objects, "PersistentVolumeClaim", name)
        if claim is None:
            continue
        asked = str(((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage", "0"))
        held = str((reading.status(claim).get("capacity") or {}).get("storage", ""))
        if held and (quantity(held) or 0) < (quantity(asked) or 0):
            said = [cap(str(each.get("message", ""))) for each in reading.status(claim).get("conditions") or ()]
            why = "; ".join(message for message in said if message)
            yield f"{title} grows from {held} to {asked}" + (f": {why}" if why else "")
