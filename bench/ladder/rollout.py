"""A changed plan goes through many homes: how long it takes, and how many are down at once meanwhile."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from api.homes import a_plan
from bench.common.figures import Figure
from bench.ladder import operators, players
from bench.ladder.climbing import Tell
from bench.ladder.operators import Operator
from bench.ladder.shares import Shares
from bench.ladder.tenants import Watcher
from bench.ladder.world import World
from insula.domain import names
from insula.domain.manifests import Manifest, ObjectRef
from insula.kube import kinds

AT_ONCE: Final = 20  # homes that may be down
PATIENCE_S: Final = 1800.0
PLAN: Final = ObjectRef(names.API_VERSION, "Plan", "", a_plan()["metadata"]["name"])


@dataclass(frozen=True)
class Rollout:
    """What one change of the plan did."""

    homes: int
    seconds: float
    most_down: int
    restarts: int
    limited_by: str


async def measure(world: World, operator: Operator, watcher: Watcher, tell: Tell) -> Rollout:
    """Give every Home Assistant more memory by the plan; each is down for `players.RESTART_S`.

    Raises:
        RuntimeError: Some home was left out.
    """
    plan = await world.client.get(PLAN)
    amounts = plan["spec"]["defaults"]["homeAssistant"]["resources"]
    gib = int(amounts["limits"]["memory"].removesuffix("Gi")) + 1
    wanted = {**amounts, "limits": {**amounts["limits"], "memory": f"{gib}Gi"}}
    shares = Shares({**world.server.processes, "operator": operator.process.pid})
    async with players.playing(world.client) as player:
        before = player.restarts
        watcher.fewest_ready = watcher.ready
        begun_at = time.monotonic()
        spec = {"defaults": {"homeAssistant": {"resources": wanted}}, "rollout": {"maxUnavailable": AT_ONCE}}
        changed = await world.client.merge_patch(PLAN, {"spec": spec})

        async def done() -> bool:
            status = (await world.client.get(PLAN)).get("status", {})
            if status.get("observedGeneration") != changed["metadata"]["generation"]:
                return False
            tell(
                f"{status['updated']} of {status['tenants']} homes have the new plan, {status['unavailable']} are down"
            )
            return bool(status["updated"] == status["tenants"] and not status["unavailable"])

        await operators.until("the plan is rolled out", done, within_s=PATIENCE_S, every_s=2.0)
        taken_s = time.monotonic() - begun_at
        restarts = player.restarts - before
    left_out = [each for each in await _houses(world) if _memory(each) != f"{gib}Gi"]
    if left_out:
        raise RuntimeError(f"{len(left_out)} homes do not have what their plan says")
    return Rollout(watcher.known, taken_s, watcher.known - watcher.fewest_ready, restarts, shares.text())


def figures(rollout: Rollout) -> Iterator[Figure]:
    """Yield what a rollout showed."""
    size = rollout.homes
    floor_s = size / AT_ONCE * players.RESTART_S
    yield Figure(
        f"plan_rollout_seconds_{size}",
        [rollout.seconds],
        "s",
        peer=floor_s,
        peer_name=f"{AT_ONCE} homes at a time, each down for {players.RESTART_S:.0f} s",
        limited_by=rollout.limited_by,
    )
    yield Figure(f"plan_rollout_most_down_{size}", [rollout.most_down], "homes", goal=float(AT_ONCE))
    yield Figure(f"plan_rollout_restarts_{size}", [rollout.restarts], "restarts", goal=float(size))


async def _houses(world: World) -> list[Manifest]:
    found = await world.client.list(kinds.of("apps/v1", "Deployment"), selector=names.LABEL_TENANT)
    return [each for each in found.items if each["metadata"]["name"] == names.HOME_ASSISTANT]


def _memory(deployment: Manifest) -> str:
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    return str(container["resources"]["limits"]["memory"])
