"""The one decision: what to do for a tenant, given what was seen."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from insula.domain import names
from insula.domain.manifests import Manifest, ObjectRef, reference
from insula.domain.models import ModelForm
from insula.domain.platform import Platform
from insula.domain.situation import Memory, Renderer, Situation, Stack
from insula.domain.tenants import Tenant
from insula.reconcile import (
    conditions,
    devices,
    farewell,
    prune,
    reading,
    rotating,
    secrets,
    settling,
    sleeping,
    status,
    terminating,
    turns,
    upgrading,
    walls,
    workloads,
)
from insula.reconcile import facts as facts_of
from insula.reconcile import remembering as memories
from insula.reconcile import standing as standings
from insula.reconcile import verdict as verdicts
from insula.reconcile.covers import covers
from insula.reconcile.facts import Facts
from insula.reconcile.job_reports import JobReport, JobState
from insula.reconcile.model import Decision, Observed
from insula.reconcile.reasons import Reason
from insula.reconcile.standing import Standing
from insula.reconcile.view import View

# A Job's log is not watched.
PULL_LOOK_S: Final = 2.0
# The sentence that counts a start's seconds goes on.
START_LOOK_S: Final = 5.0


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
    standing = standings.judge(name, observed)
    if standing is Standing.NOBODY:
        return Decision()
    if standing is Standing.GONE:
        return farewell.depart(name, observed, platform, render=render, now=now)
    view = _view(name, observed, platform, standing, now)
    if standing in (Standing.IN_THE_WAY, Standing.LEAVING):
        decision = farewell.depart(name, observed, platform, render=render, now=now)
    elif standing is Standing.TERMINATING:
        decision = Decision(look_again_s=_stuck_in_s(view))
    elif view.verdict.tenant is None:
        decision = Decision()
    else:
        view, decision = _in_turn(view, render)
    return _with_status(decision, view)


def _in_turn(view: View, render: Renderer) -> tuple[View, Decision]:
    """Say what brings the home to what it should be; before its turn, to what it should be until then."""
    stack = _render(view, render)
    waits = turns.must_wait(view, stack.house)
    held: frozenset[ObjectRef] = frozenset()
    if waits:
        observed, name = view.observed, view.tenant.name
        if observed.waiting is not None:
            observed = replace(observed, desired=observed.waiting, accepted_spec=observed.waiting_spec)
        view = _view(name, observed, view.platform, view.standing, view.now, may_begin=observed.own_change)
        stack = _render(view, render)
        held = frozenset() if observed.own_change else turns.restarting(stack.house, observed.objects)
    decision = _build(view, stack, held)
    restarts = bool(turns.restarting(stack.house, view.observed.objects) - held)
    return view, replace(decision, turn=turns.turn(view, waits=waits, restarts=restarts))


def _view(
    name: str, observed: Observed, platform: Platform, standing: Standing, now: datetime, *, may_begin: bool = True
) -> View:
    verdict = verdicts.judge(name, observed, standing)
    # What stands in a namespace of another's, or in one that is going, says nothing about this home.
    is_own = standing in (Standing.OURS, Standing.ADOPTING)
    memory = memories.inherit(standings.remembered(observed) if is_own else Memory(), observed, standing)
    memory = rotating.rotate(memory, observed, standing, now)
    facts = facts_of.gather(observed.objects if is_own else {}, memory, now)
    memory = memories.remember(memory, observed, verdict, facts, now)
    if verdict.tenant is not None and is_own:
        claimed = memories.is_claimed(memory, facts)
        upgrade = upgrading.advance(
            memory.upgrade, verdict.tenant, platform, facts, is_claimed=claimed, may_begin=may_begin, now=now
        )
        memory = replace(memory, upgrade=upgrade)
    facts = replace(facts, ollama=devices.report(memory, facts.ollama))
    sleep = _sleep(observed, verdict.tenant, memory, facts, now) if verdict.tenant and is_own else sleeping.Sleep()
    facts = replace(facts, ollama=sleeping.report(sleep, facts.ollama))
    return View(observed, platform, standing, verdict, memory, facts, now, sleep)


def _sleep(observed: Observed, tenant: Tenant, memory: Memory, facts: Facts, now: datetime) -> sleeping.Sleep:
    """Say whether Ollama sleeps. A home stays awake until it is set up, and while a Job works for it."""
    is_set_up = not tenant.ollama.models or memory.conversing == memories.conversation(memory, tenant, facts)
    is_busy = JobState.UNDER_WAY in (facts.pull.state, facts.converse.state)
    missing = memories.missing_models(memory, tenant, facts)
    return sleeping.judge(
        observed.objects,
        facts.ollama,
        after_s=tenant.ollama.inference.sleep_after_s,
        may_begin=facts.ollama.is_ready and is_set_up and not (missing or is_busy or tenant.suspended),
        suspended=tenant.suspended,
        now=now,
    )


def _render(view: View, render: Renderer) -> Stack:
    """Return the home's objects as the live ones allow them, without Jobs that are done."""
    situation = _situate(view, probe=_probe_in_s(view) == 0)
    stack = _without_done_jobs(render(situation, view.platform), view, situation)
    objects = view.observed.objects
    return replace(stack, house=tuple(settling.settled(objects.get(reference(each)), each) for each in stack.house))


def _build(view: View, stack: Stack, held: frozenset[ObjectRef]) -> Decision:
    """Say what brings the home to this stack; what is held stays as it is."""
    objects, house = view.observed.objects, stack.house
    outdated = settling.outdated_jobs(objects, house, view.facts)
    # A Job cannot be changed: it goes now and comes again when it is gone.
    blocked = held | {
        ref for ref, live in objects.items() if ref.kind == "Job" and (ref in outdated or reading.is_leaving(live))
    }
    live: dict[ObjectRef, Manifest] = dict(objects)
    if view.observed.namespace is not None:
        live[reference(view.observed.namespace)] = view.observed.namespace
    rendered = {reference(each) for each in (*stack.ground, *house)}
    return Decision(
        ground=_uncovered(stack.ground, live),
        create_secrets=secrets.wishes(view.tenant, view.memory, standings.identity(view.observed), view.observed),
        apply=_uncovered((each for each in house if reference(each) not in blocked), live),
        delete=prune.surplus(objects, rendered) + outdated,
        activity=view.sleep.patch,
        look_again_s=_look_again(view),
    )


def _probe_in_s(view: View) -> float | None:
    """Return the seconds until the walls are tried, 0: now; None: not while the home is as it is."""
    # After all else: a new home's first minute belongs to its resident.
    tenant = view.tenant
    answers = view.facts.home_assistant.is_ready and view.facts.ollama.is_ready
    is_set_up = not tenant.ollama.models or bool(view.memory.conversing)
    if tenant.suspended or not (answers and is_set_up):
        return None
    made = str((view.observed.namespace or {"metadata": {}})["metadata"].get("creationTimestamp", ""))
    return walls.due_in_s(tenant.name, view.memory, view.platform, made=made, now=view.now)


def _situate(view: View, *, probe: bool) -> Situation:
    """Say which of the objects that come and go belong into the stack now."""
    tenant, facts, memory = view.tenant, view.facts, view.memory
    # Jobs under way are not withdrawn because a pod restarts, or because a day begins.
    probing = walls.purpose(memory, view.observed.neighbour, facts) if probe or walls.has_begun(memory, facts) else ""
    is_claimed = memories.is_claimed(memory, facts)
    wanted = memories.conversation(memory, tenant, facts)
    # The Job itself waits for Home Assistant and Ollama to answer: its pod starts while they do. A model may take an
    # hour to come, and a Job would not wait that long.
    may_begin = is_claimed and not memories.missing_models(memory, tenant, facts)
    # Once begun it is not withdrawn because a pod restarts.
    has_begun = facts.converse.state is not JobState.ABSENT and facts.converse.purpose == wanted
    # Ollama's pod decides where the volume is, for it is the one that needs a GPU or much memory.
    is_own = tenant.ollama.model_form is ModelForm.VOLUME
    may_pull = is_own and (facts.models_bound or facts.pull.state is not JobState.ABSENT)
    return Situation(
        name=tenant.name,
        tenant_id=standings.identity(view.observed),
        memory=memory,
        tenant=upgrading.in_force(tenant, memory.upgrade),
        route=is_claimed and view.verdict.has_host,
        pull=facts.models_volume if may_pull else "",
        converse=wanted if may_begin or has_begun else "",
        probe=probing,
        neighbour=walls.neighbour_of(probing),
        asleep=view.sleep.asleep,
        obstacle=view.sleep.obstacle,
        moving=any(ref.kind == "Pod" and workloads.is_lost(each) for ref, each in view.observed.objects.items()),
    )


def _without_done_jobs(stack: Stack, view: View, situation: Situation) -> Stack:
    """Leave out a Job whose work is done, unless it still stands as it was rendered: then it may be read."""
    done = set()
    if situation.tenant and not memories.missing_models(view.memory, situation.tenant, view.facts):
        done.add(names.PULL)
    if view.memory.conversing and view.memory.conversing == situation.converse:
        done.add(names.CONVERSE)

    def stays(each: Manifest) -> bool:
        if each["kind"] != "Job" or each["metadata"]["name"] not in done:
            return True
        live = view.observed.objects.get(reference(each))
        return live is not None and settling.is_rendered_alike(live, each)

    return replace(stack, house=tuple(each for each in stack.house if stays(each)))


def _stuck_in_s(view: View) -> float | None:
    """Return the seconds until the namespace counts as stuck, None if it does."""
    return (terminating.rest_s(view.observed.namespace, view.now) or None) if view.observed.namespace else None


def _uncovered(desired: Iterable[Manifest], live: Mapping[ObjectRef, Manifest]) -> tuple[Manifest, ...]:
    found = []
    for each in desired:
        present = live.get(reference(each))
        if present is None or not covers(present, each):
            found.append(each)
    return tuple(found)


def _look_again(view: View) -> float | None:
    """Return the seconds until something changes that no watch tells of."""
    probe_in_s = _probe_in_s(view)
    looks = [probe_in_s] if probe_in_s else []
    if view.facts.pull.state is JobState.UNDER_WAY:
        looks.append(PULL_LOOK_S)
    if Reason.STARTING in (view.facts.home_assistant.reason, view.facts.ollama.reason):
        looks.append(START_LOOK_S)
    move_in_s = devices.move_in_s(view.memory.gpu_failure, view.now)
    if move_in_s is not None:
        looks.append(move_in_s)
    if view.sleep.look_in_s is not None:
        looks.append(view.sleep.look_in_s)
    reports: tuple[JobReport, ...] = (view.facts.pull, view.facts.converse, *view.facts.probes)
    looks.extend(each.retry_in_s for each in reports if each.retry_in_s)
    rest_s = upgrading.rest_s(view.memory.upgrade, view.platform, view.now)
    if rest_s is not None:
        looks.append(rest_s)
    return min(looks, default=None)


def _with_status(decision: Decision, view: View) -> Decision:
    found = conditions.walk(view)
    desired = status.assemble(view, found, view.now)
    live = reading.status(view.observed.tenant) if view.observed.tenant else {}
    return replace(
        decision,
        status=None if live == desired else desired,
        events=decision.events + status.transitions(view, found),
    )
