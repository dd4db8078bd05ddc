"""A Tenant is gone. Nothing is destroyed by that alone: what runs goes, and the data stay or follow, as was agreed."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from insula.domain.manifests import reference
from insula.domain.platform import Platform
from insula.domain.situation import Renderer, Situation
from insula.domain.tenants import DeletionPolicy
from insula.reconcile import prune, reading, standing
from insula.reconcile.covers import covers
from insula.reconcile.model import Decision, Observed

# Between the first sight of a missing Tenant and the removal of its data: room for a cache that was wrong.
DELETION_GRACE_S: Final = 10.0


def depart(name: str, observed: Observed, platform: Platform, *, render: Renderer, now: datetime) -> Decision:
    """Say what to do about a namespace of ours whose Tenant is gone."""
    namespace = observed.namespace
    if namespace is None:
        return Decision()
    memory = standing.remembered(observed)
    since = memory.retained_since or reading.written(now)
    situation = Situation(name, standing.identity(observed), replace(memory, retained_since=since))
    ground = tuple(each for each in render(situation, platform).ground if not covers(namespace, each))
    leaving = prune.house(observed.objects)
    if memory.deletion_policy is not DeletionPolicy.DELETE:
        return Decision(ground=ground, delete=leaving)
    rest = DELETION_GRACE_S - reading.seconds_since(since, now)
    if rest > 0:
        return Decision(ground=ground, delete=leaving, look_again_s=rest)
    return Decision(ground=ground, delete=(*leaving, reference(namespace)))
