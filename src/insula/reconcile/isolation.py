"""What the last probes of a home's walls mean: the condition `Isolated`, with the path that failed."""

from typing import Final

from insula.domain.errors import cap
from insula.reconcile.reasons import Reason
from insula.reconcile.view import Finding, View, good, lacking, unknown
from insula.reconcile.walls import AGAIN_S

REST: Final = f". `insula verify` shows all paths; the operator has them tried again within {AGAIN_S / 60:.0f} minutes"


def isolated(view: View) -> Finding:
    """Say whether the home's walls were proven when they were last tried."""
    found = view.memory.walls
    if found.open:
        return lacking(Reason.WALL_OPEN, f"a forbidden path is open: {_listed(found.open)}{REST}")
    if found.shut:
        return unknown(Reason.NOTHING_PROVEN, f"a path that must be open is shut: {_listed(found.shut)}{REST}")
    if found.tried:
        return good(Reason.WALLS_HOLD, f"{found.tried} paths were tried from inside, and the walls hold")
    return _untried(view)


def _untried(view: View) -> Finding:
    by_hand = f"`insula verify {view.tenant.name}` tries them at once"
    for each in view.facts.probes:
        if each.trouble is not None:
            return unknown(*each.trouble)
        if each.error:
            return unknown(Reason.NOT_TRIED, f"the probes failed: {each.error}")
    if not view.platform.probe_every_hours:
        return unknown(Reason.NOT_TRIED, f"the chart's values have no walls tried: {by_hand}")
    return unknown(Reason.NOT_TRIED, f"the walls are tried when the home answers, or at its turn: {by_hand}")


def _listed(paths: tuple[str, ...]) -> str:
    return cap("; ".join(paths))
