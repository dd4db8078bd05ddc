"""Whether one home that cannot be built slows the others: how soon drift of theirs is repaired, with it and without."""

import asyncio
import contextlib
import random
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Final

from bench.common.figures import Figure
from bench.ladder import audit
from bench.ladder import world as worlds
from bench.ladder.operators import Operator
from bench.ladder.pace import quantile
from bench.ladder.shares import Shares
from bench.ladder.world import World
from insula.domain import names
from insula.domain.manifests import Manifest, ObjectRef

GOAL_PERCENT: Final = 5.0
TOUCHES_PER_S: Final = 10.0
NEEDLE_S: Final = 0.5  # how often something about the poisoned home changes
SETTLE_S: Final = 3.0
POISONED: Final = "poisoned"
_NAME: Final = "insula-bench-poison"

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Pair:
    """The others' p99 in seconds without and with the poisoned home, one after the other."""

    without_s: float
    with_s: float

    @property
    def change_percent(self) -> float:
        """By how much the poison moved it."""
        return (self.with_s / self.without_s - 1) * 100


@dataclass
class Poisoned:
    """All pairs."""

    pairs: list[Pair]
    homes: int
    limited_by: str


async def measure(world: World, operator: Operator, homes: int, *, pairs: int, touches: int, tell: Tell) -> Poisoned:
    """Measure `pairs` times without and with one home whose objects are refused while it changes all the time."""
    done = []
    chosen = random.Random(4)  # the same homes in every run
    await world.client.apply(worlds.tenant(POISONED), manager="bench")
    await asyncio.sleep(SETTLE_S)
    shares = Shares({**world.server.processes, "operator": operator.process.pid})
    for number in range(1, pairs + 1):
        found = {}
        for poison in random.Random(number).sample([False, True], 2):  # neither is always the first
            async with _poison(world) if poison else contextlib.nullcontext():
                found[poison] = await _touch(world, [chosen.randint(1, homes) for _ in range(touches)])
        done.append(Pair(found[False], found[True]))
        change = f"{done[-1].change_percent:+.1f} %"
        tell(f"pair {number}: p99 {found[False]:.3f} s without, {found[True]:.3f} s with: {change}")
    return Poisoned(done, homes, shares.text())


def figures(poisoned: Poisoned) -> list[Figure]:
    """Return the figures of all pairs."""
    return [
        Figure(
            "poisoned_tenant_p99_change_percent",
            [pair.change_percent for pair in poisoned.pairs],
            "%",
            goal=GOAL_PERCENT,
            peer=statistics.median(pair.without_s for pair in poisoned.pairs),
            peer_name="p99 in s without it, same run",
            limited_by=f"one of {poisoned.homes} homes; {poisoned.limited_by}",
        )
    ]


async def _touch(world: World, numbers: list[int]) -> float:
    """Spoil one object of each home at a pace; return the p99 of the seconds until it is repaired."""
    log = audit.Log(world.server.audit_log)
    begun_at = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for order, number in enumerate(numbers):
            await asyncio.sleep(max(0.0, begun_at + order / TOUCHES_PER_S - time.monotonic()))
            tasks.create_task(_spoil(world, worlds.name_of(number)))
    await asyncio.sleep(SETTLE_S)
    return quantile(list(_repairs(log.writes())), 0.99)


async def _spoil(world: World, name: str) -> None:
    ref = ObjectRef("v1", "ConfigMap", names.namespace(name), names.HOME_ASSISTANT_SCRIPTS)
    await world.client.merge_patch(ref, {"data": {"start.py": "spoilt"}})


def _repairs(writes: Iterable[audit.Write]) -> Iterable[float]:
    """Yield the seconds from each spoiling to the operator's answer to it."""
    spoilt: dict[str, float] = {}
    for write in writes:
        if write.resource != "configmaps" or not write.is_done:
            continue
        if write.is_operators and write.tenant in spoilt:
            yield write.answered_at - spoilt.pop(write.tenant)
        elif not write.is_operators:
            spoilt.setdefault(write.tenant, write.answered_at)
    if spoilt:
        raise RuntimeError(f"{len(spoilt)} homes were not repaired")


@contextlib.asynccontextmanager
async def _poison(world: World) -> AsyncIterator[None]:
    """Have every write of Deployments and ConfigMaps in one home refused, and its Tenant change all the time."""
    policy, binding = _policy()
    await world.client.apply(policy, manager="bench")
    await world.client.apply(binding, manager="bench")
    needle = asyncio.create_task(_needle(world))
    await asyncio.sleep(SETTLE_S)
    try:
        yield
    finally:
        needle.cancel()
        for each in (binding, policy):
            await world.client.delete(ObjectRef(each["apiVersion"], each["kind"], "", _NAME))


async def _needle(world: World) -> None:
    tenant = ObjectRef(names.API_VERSION, "Tenant", "", POISONED)
    size = 0
    while True:
        size = size % 400 + 1
        spec = {"homeAssistant": {"resources": {"memory": f"{512 + size}Mi"}}}
        await world.client.merge_patch(tenant, {"spec": spec})
        await asyncio.sleep(NEEDLE_S)


def _policy() -> tuple[Manifest, Manifest]:
    api = "admissionregistration.k8s.io/v1"
    rules = [
        {"apiGroups": ["", "apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": [plural]}
        for plural in ("configmaps", "deployments")
    ]
    policy = {
        "apiVersion": api,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": _NAME},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {names.LABEL_TENANT: POISONED}},
                "resourceRules": rules,
            },
            "validations": [{"expression": "false", "message": "poisoned"}],
        },
    }
    binding = {
        "apiVersion": api,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": _NAME},
        "spec": {"policyName": _NAME, "validationActions": ["Deny"]},
    }
    return policy, binding
