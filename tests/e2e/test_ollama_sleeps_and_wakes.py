"""A home's Ollama sleeps when nobody asks it, however often it is polled, and a conversation wakes it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

import pytest

from e2e.house import Home, create, purge, until
from e2e.inside import ASK_WITH_KEYS
from e2e.test_browser_answers import BUILD, a_browser, ask, log_in
from insula.cli import cluster as persons_cluster
from insula.domain import names
from insula.domain.activity import SleepState
from insula.sandbox.cluster import Cluster
from insula.services import asking, cache_counts

PLAN: Final = "naps"
AFTER_S: Final = 20
RELEASE: Final = "insula-system"
POLLS: Final = 5
ASLEEP_WITHIN_S: Final = 120.0
STAGES: Final = ("asked", "scheduled", "started", "reached", "loaded", "first_token", "platform")
_SAMPLE: Final = re.compile(r'^insula_gateway_wake_seconds_(sum|count)\{stage="(\w+)"\} ([0-9.e+-]+)$', re.MULTILINE)


@dataclass(frozen=True)
class Sleeper:
    """A home whose plan lets its Ollama sleep, and the gateways that know of its wakes."""

    home: Home

    @property
    def state(self) -> str:
        return str(self.home.get("lease", names.ACTIVITY).get("spec", {}).get("holderIdentity", ""))

    @property
    def is_asleep(self) -> bool:
        return self.state == SleepState.ASLEEP and not self.home.pods(names.OLLAMA)

    def fall_asleep(self) -> None:
        until(f"{self.home.name}'s Ollama asleep", lambda: self.is_asleep, timeout_s=ASLEEP_WITHIN_S)

    def gateways(self) -> list[str]:
        labels = ",".join(f"{key}={value}" for key, value in cache_counts.LABELS.items())
        pods = self.home.cluster.get("pods", "-n", RELEASE, "-l", labels)["items"]
        return [pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] == "Running"]

    def poll(self) -> None:
        """Ask what clients ask again and again, from Home Assistant's own place."""
        for path in ("/api/tags", "/api/ps"):
            ((status, _),) = self.home.inside(ASK_WITH_KEYS, f"http://ollama:11434{path}", self.home.key)
            assert status == HTTPStatus.OK

    def wake_seconds(self) -> dict[str, tuple[float, float]]:
        """Return sum and count of each stage over all gateways."""
        found = {stage: [0.0, 0.0] for stage in STAGES}
        for pod in self.gateways():
            path = f"/api/v1/namespaces/{RELEASE}/pods/{pod}:{cache_counts.PORT}/proxy/metrics"
            for kind, stage, value in _SAMPLE.findall(self.home.cluster.kubectl("get", "--raw", path)):
                found[stage][kind == "count"] += float(value)
        return {stage: (total, count) for stage, (total, count) in found.items()}


@pytest.fixture(scope="module")
def sleeper(cluster: Cluster, model: str) -> Iterator[Sleeper]:
    """A home with a plan of its own, which lets an Ollama sleep after twenty seconds."""
    standard = cluster.get("plan", "standard")
    spec = standard["spec"] | {"inference": standard["spec"].get("inference", {}) | {"sleepAfter": f"{AFTER_S}s"}}
    plan = {"apiVersion": standard["apiVersion"], "kind": "Plan", "metadata": {"name": PLAN}, "spec": spec}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(plan))
    home = Home("napper", cluster)
    purge(home, wait=True)
    create(home, "--model", model, "--plan", PLAN)
    yield Sleeper(home)
    purge(home, wait=True)
    cluster.kubectl("delete", "plan", PLAN)


def test_a_home_that_nobody_asks_sleeps_though_it_is_polled_and_is_ready(sleeper: Sleeper) -> None:
    def polled() -> bool:
        sleeper.poll()
        return sleeper.is_asleep

    until("a polled Ollama asleep", polled, timeout_s=ASLEEP_WITHIN_S)
    for _ in range(POLLS):
        sleeper.poll()
    assert sleeper.is_asleep
    assert sleeper.home.get("deployment", names.OLLAMA)["spec"]["replicas"] == 0
    until("the sleep being told", lambda: sleeper.home.condition("OllamaReady")["reason"] == "Asleep")
    ollama, ready = sleeper.home.condition("OllamaReady"), sleeper.home.condition("Ready")
    assert (ollama["status"], ready["status"]) == ("True", "True")


def test_a_conversation_wakes_a_sleeper(sleeper: Sleeper) -> None:
    sleeper.fall_asleep()
    before = sleeper.wake_seconds()
    answered = sleeper.home.ask()
    after = sleeper.wake_seconds()
    took = {stage: round(after[stage][0] - before[stage][0], 3) for stage in STAGES}
    report = {"answer_seconds": answered["seconds"]["answer"], "stages": took}
    print(json.dumps(report))
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "wake.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    assert answered["answer"].strip()
    assert {stage: after[stage][1] - before[stage][1] for stage in STAGES} == dict.fromkeys(STAGES, 1.0)
    assert sleeper.home.condition("Ready")["status"] == "True"


async def test_a_resident_types_a_sentence_and_it_wakes_her_model(sleeper: Sleeper, tmp_path: Path) -> None:
    sleeper.fall_asleep()
    async with persons_cluster.connect() as client:
        door = await asking.find_door(client, sleeper.home.name)
        account = await asking.resident_account(client, sleeper.home.name)
        async with a_browser(door, tmp_path) as page:
            await log_in(page, door, account)
            assert sleeper.state == SleepState.ASLEEP  # looking at the home wakes nothing
            assert await ask(page, "What is the capital of France?")
            await page.screenshot(path=BUILD / "assist-wakes.png")
    assert sleeper.state == SleepState.AWAKE
    assert sleeper.home.pods(names.OLLAMA)
