"""Whether a person's request for a new key is honoured: each one once, whoever the home belongs to by then."""

from dataclasses import replace
from datetime import datetime

from insula.domain import names
from insula.domain.key_rotation import Request
from insula.domain.situation import Memory
from insula.reconcile import reading
from insula.reconcile.model import Observed
from insula.reconcile.standing import Standing


def rotate(memory: Memory, observed: Observed, standing: Standing, now: datetime) -> Memory:
    """Return the memory after the Tenant's request, if it is later than the one that was honoured last.

    A home that is made or adopted has a new key as it is: its Tenant's request is done with that.
    """
    text = reading.annotations(observed.tenant).get(names.ANNOTATION_ROTATE_KEY, "") if observed.tenant else ""
    request, honoured = Request.from_text(text), Request.from_text(memory.key_rotated)
    if request is None or (honoured is not None and request.asked <= honoured.asked):
        return memory
    noted = replace(memory, key_rotated=text)
    if standing is not Standing.OURS:
        return noted
    grace = request.grace(memory.key_generation, memory.key_grace, now)
    return replace(noted, key_generation=memory.key_generation + 1, key_grace=grace)
