"""The one decision: what to do for a tenant, given what was seen."""

from datetime import datetime

from insula.domain.platform import Platform
from insula.domain.situation import Renderer
from insula.reconcile.model import Decision, Observed


def decide(name: str, observed: Observed, platform: Platform, *, render: Renderer, now: datetime) -> Decision:
    """Say what to apply, make and delete, which conditions hold, and when to look again.

    Args:
        name: The tenant's name; its Tenant or its Namespace may be gone.
        observed: What the operator saw.
        platform: The provider's settings.
        render: `render.stack.stack`.
        now: The time, with a zone.

    A new home's identity is the UID of its Tenant: two looks at a cache that has not yet seen the Namespace then
    agree. (An adopted home keeps the identity of the data.)
    """
    raise NotImplementedError
