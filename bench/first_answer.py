"""From a Tenant to the first answer: seconds by stage, with the floor and the memory at rest in the same run.

    python -m bench.first_answer --runs 5

Each run applies a new Tenant with one model, waits on a watch for its conditions, and as soon as the home is ready
logs in through the ingress with the resident's initial password and says one sentence to the preferred pipeline. All
stages are counted from the apply, by this process's clock: they run side by side and do not add up. The images are on
the nodes; the model is in the registry that the platform names, and each new home pulls its own copy of it.
"""

import asyncio
import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from bench.common import bare_start, figures, homes, machine, memory
from bench.common.figures import Figure
from insula.cli.cluster import Cluster
from insula.domain import names
from insula.domain.conditions import ConditionType
from insula.domain.manifests import Manifest, ObjectRef
from insula.kube import config, kinds, requests
from insula.kube.client import Client
from insula.sandbox.layout import Layout
from insula.sandbox.main import TIMES_FILE
from insula.services import asking

RESULTS: Final = Path(__file__).parent / "results" / "first-answer.json"
QUESTION: Final = "What is the capital of France?"
GOAL_S: Final = 12.0
SANDBOX_GOALS_S: Final = {"cold": 1800.0, "warm": 90.0}
READY_TIMEOUT_S: Final = 600.0
REST_S: Final = 20.0  # after the answer: a home at rest, its model still loaded

_STAGES: Final = {
    ConditionType.ACCEPTED: "accepted",
    ConditionType.NAMESPACE_READY: "namespace",
    ConditionType.HOME_ASSISTANT_READY: "home_assistant",
    ConditionType.CLAIMED: "claimed",
    ConditionType.ROUTE_READY: "route",
    ConditionType.OLLAMA_READY: "ollama",
    ConditionType.MODELS_READY: "models",
    ConditionType.CONVERSATION_READY: "conversation",
    ConditionType.READY: "ready",
}


@dataclass
class Run:
    """One tenant from nothing to an answer. `stages` in seconds since the apply; `said` is Kubernetes' own times."""

    tenant: str
    stages: dict[str, float] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    answer: str = ""
    engine: str = ""
    bare_start_s: float = 0.0
    rest_mib: float = 0.0
    load: float = 0.0


def main(
    *,
    runs: Annotated[int, typer.Option(min=1, help="How many new homes.")] = 5,
    model: Annotated[str, typer.Option(help="The model, present in the platform's registry.")] = "gemma3:270m",
    address: Annotated[str, typer.Option(help="Where the ingress listens, if its status does not say.")] = "10.99.0.11",
    release: Annotated[str, typer.Option(help="Namespace of Insula itself.")] = "insula-system",
    results: Annotated[Path, typer.Option(help="Where the figures go.")] = RESULTS,
) -> None:
    """Measure, print and write the figures."""
    done, ours = asyncio.run(_measure(runs, model, address, release))
    taken = _figures(done, ours, sandbox_times(Layout.default().cache / TIMES_FILE))
    figures.show(taken)
    figures.write(results, taken, runs=[asdict(run) for run in done], question=QUESTION, model=model)


async def _measure(runs: int, model: str, address: str, release: str) -> tuple[list[Run], dict[str, list[float]]]:
    async with Client(config.find()) as client:
        done = []
        try:
            for number in range(1, runs + 1):
                done.append(await _one(client, f"bench-{number}", model, address))
                print(json.dumps(asdict(done[-1]), ensure_ascii=False), flush=True)
            ours = {
                component: list((await memory.resident_mib(client, release, f"insula-{component}")).values())
                for component in ("operator", "gateway")
            }
        finally:
            await bare_start.clean_up(client)
    return done, ours


async def _one(client: Client, tenant: str, model: str, address: str) -> Run:
    await _delete(client, tenant)
    run = Run(tenant, load=machine.load())
    try:
        began = time.monotonic()
        await client.apply(_tenant(tenant, model), manager="bench")
        async with asyncio.timeout(READY_TIMEOUT_S):
            await _follow(client, run, began)
        await _ask(client, run, began, address)
        await asyncio.sleep(REST_S)
        run.rest_mib = sum((await memory.working_set_mib(client, names.namespace(tenant))).values())
        run.bare_start_s = await bare_start.measure(client, tenant)
    finally:
        await _delete(client, tenant)
    return run


async def _follow(client: Client, run: Run, began: float) -> None:
    """Note when each condition is first seen to be true; return when all are."""
    listing = await client.list(kinds.TENANT, fields=f"metadata.name={run.tenant}")
    for item in listing.items:
        _note(run, item, began)
    since = listing.resource_version
    while _left(run):
        request = requests.watch(
            kinds.TENANT, since=since, timeout_s=int(READY_TIMEOUT_S), fields=f"metadata.name={run.tenant}"
        )
        async with client.stream(request) as chunks:
            rest = b""
            async for chunk in chunks:
                *lines, rest = (rest + chunk).split(b"\n")
                for event in map(json.loads, filter(None, lines)):
                    since = event["object"]["metadata"]["resourceVersion"]
                    _note(run, event["object"], began)
                if not _left(run):
                    return


def _left(run: Run) -> list[str]:
    return [stage for stage in _STAGES.values() if stage not in run.stages]


def _note(run: Run, tenant: Manifest, began: float) -> None:
    seconds = time.monotonic() - began
    for condition in tenant.get("status", {}).get("conditions", []):
        stage = _STAGES.get(condition["type"])
        if stage is not None and condition["status"] == "True" and stage not in run.stages:
            run.stages[stage] = round(seconds, 3)
            run.said[stage] = condition.get("lastTransitionTime", "")


async def _ask(client: Client, run: Run, began: float, address: str) -> None:
    cluster = Cluster(client)
    door = await asking.find_door(cluster, run.tenant)
    account = await asking.resident_account(cluster, run.tenant)
    async with homes.session(door, door.address or address) as http:
        token = await homes.log_in(http, door, account)
        run.stages["login"] = round(time.monotonic() - began, 3)
        answer = await homes.say(http, token, QUESTION)
    run.stages["answer"] = round(time.monotonic() - began, 3)
    run.answer, run.engine = answer.text, answer.engine
    if not answer.text or answer.engine == "conversation.home_assistant":
        raise RuntimeError(f"no model answered: engine {answer.engine!r} said {answer.text!r}")


async def _delete(client: Client, tenant: str) -> None:
    """Delete a tenant of ours with its data, and wait until its namespace is gone."""
    await client.delete(ObjectRef(names.API_VERSION, "Tenant", "", tenant))
    space = ObjectRef("v1", "Namespace", "", names.namespace(tenant))
    async with asyncio.timeout(READY_TIMEOUT_S):
        while await client.find(space) is not None:  # noqa: ASYNC110 - not in any figure
            await asyncio.sleep(0.5)


def _tenant(name: str, model: str) -> Manifest:
    return {
        "apiVersion": names.API_VERSION,
        "kind": "Tenant",
        "metadata": {"name": name},
        "spec": {
            "owner": f"{name}@example.com",
            "plan": "standard",
            "ollama": {"models": [model]},
            "deletionPolicy": "Delete",
        },
    }


def _figures(done: list[Run], ours: dict[str, list[float]], times: dict[str, float]) -> list[Figure]:
    bare = Figure("ha_bare_start_seconds", [run.bare_start_s for run in done], "s")
    whole = Figure(
        "first_answer_seconds",
        [run.stages["answer"] for run in done],
        "s",
        goal=GOAL_S,
        peer=bare.median,
        peer_name="Home Assistant's own bare start, same run",
        limited_by=_limit(done),
    )
    stages = [Figure(f"stage_{stage}_seconds", [run.stages[stage] for run in done], "s") for stage in done[0].stages]
    rest = [Figure("tenant_rest_mib", [run.rest_mib for run in done], "MiB")]
    rest += [Figure(f"{component}_rss_mib", values, "MiB") for component, values in ours.items() if values]
    rest += [
        Figure(f"sandbox_{kind}_seconds", [times[kind]], "s", goal=goal)
        for kind, goal in SANDBOX_GOALS_S.items()
        if kind in times
    ]
    return [whole, bare, *stages, *rest]


def sandbox_times(path: Path) -> dict[str, float]:
    """Return the seconds of the sandbox's last start of each kind, as `insula sandbox up` noted them."""
    noted = json.loads(path.read_text()) if path.is_file() else {}
    return {kind: float(times["seconds"]) for kind, times in noted.items()}


def _limit(done: list[Run]) -> str:
    """Say which stage was the last before the home was ready, and how busy the machine was."""
    lasts: dict[str, int] = {}
    for run in done:
        before: dict[str, Any] = {
            name: at for name, at in run.stages.items() if name not in {"ready", "login", "answer"}
        }
        last = max(before, key=lambda name: before[name])
        lasts[last] = lasts.get(last, 0) + 1
    most = max(lasts, key=lambda name: lasts[name])
    return f"last stage: {most} ({lasts[most]} of {len(done)} runs); load before each {[run.load for run in done]}"


if __name__ == "__main__":
    typer.run(main)
