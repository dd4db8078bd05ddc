"""A Tenant is gone. Nothing is destroyed by that alone: what runs goes, and the data stay or follow, as was agreed."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from insula.domain import times
from insula.domain.manifests import Manifest, reference
from insula.domain.platform import Platform
from insula.domain.situation import Memory, Renderer, Situation
from insula.domain.tenants import DeletionPolicy
from insula.reconcile import prune, reading, standing
from insula.reconcile.covers import covers
from insula.reconcile.model import Decision, EventWish, Observed

# Between the first sight of a missing Tenant and the removal of its data: room for a cache that was wrong.
DELETION_GRACE_S: Final = 10.0
# How soon a home that the brake holds asks again: as time passes fewer homes stand before it.
HELD_LOOK_S: Final = 60.0


def depart(name: str, observed: Observed, platform: Platform, *, render: Renderer, now: datetime) -> Decision:
    """Say what to do about a namespace of ours whose Tenant is gone."""
    if observed.namespace is None:
        return Decision()
    memory = standing.remembered(observed)
    if observed.hold and not memory.retained_since:
        return _held(name, observed, memory, platform, render=render, now=now)
    since = memory.retained_since or times.written(now)
    retained = replace(memory, retained_since=since, held_since="")
    leaving = prune.house(observed.objects)
    if memory.deletion_policy is not DeletionPolicy.DELETE:
        return Decision(ground=_namespace(name, observed, retained, platform, render), delete=leaving)
    if observed.hold:
        held = _held(name, observed, memory, platform, render=render, now=now)
        return replace(held, delete=leaving)
    ground = _namespace(name, observed, retained, platform, render)
    rest = DELETION_GRACE_S - reading.seconds_since(since, now)
    if rest > 0:
        return Decision(ground=ground, delete=leaving, look_again_s=rest)
    return Decision(ground=ground, delete=(*leaving, reference(observed.namespace)))


def _held(
    name: str, observed: Observed, memory: Memory, platform: Platform, *, render: Renderer, now: datetime
) -> Decision:
    """Leave the home as it is, and ask once."""
    held = replace(memory, held_since=memory.held_since or times.written(now))
    event = EventWish(
        "Warning",
        "DeletionBraked",
        f"{name} lost its Tenant and is kept as it is: {observed.hold}. If it is to go: `insula tenant "
        f"confirm-deletion {name}`. If not: create the Tenant again with spec.adopt {standing.identity(observed)}",
    )
    return Decision(
        ground=_namespace(name, observed, held, platform, render),
        events=() if memory.held_since else (event,),
        look_again_s=HELD_LOOK_S,
    )


def _namespace(
    name: str, observed: Observed, memory: Memory, platform: Platform, render: Renderer
) -> tuple[Manifest, ...]:
    """Return the Namespace with its memory, where it differs from the live one."""
    situation = Situation(name, standing.identity(observed), memory)
    return tuple(
        each
        for each in render(situation, platform).ground
        if observed.namespace is None or not covers(observed.namespace, each)
    )
