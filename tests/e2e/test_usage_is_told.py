"""What a home uses is told by `insula usage` as its Ollama measured it, and held to its plan."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from e2e.house import MODEL, Home, create, insula, until
from e2e.inside import PROMPT
from insula.domain import names
from insula.sandbox.cluster import RELEASE_NAMESPACE, Cluster
from insula.sandbox.commands import CommandError

PLAN = "a-second-a-day"
# A flush every four seconds, and once in a while a busy machine.
BOOKED_S = 20.0
TOLD_S = 60.0


def booked(home: Home) -> tuple[float, int]:
    """Return the GPU-seconds and requests that the ledger tells of a home today."""
    entries = json.loads(insula("usage", home.name, "--since", "1d", "-o", "json").stdout)
    return sum(each["gpuSeconds"] for each in entries), sum(each["requests"] for each in entries)


def measured(home: Home, since: datetime) -> list[float]:
    """Return how long Ollama said that it computed for each prompt of a home, as the gateways wrote it down."""
    chosen = ("-n", RELEASE_NAMESPACE, "-l", "app.kubernetes.io/component=gateway", "--tail=-1")
    text = home.cluster.kubectl("logs", *chosen, f"--since-time={since:%Y-%m-%dT%H:%M:%SZ}")
    lines: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines() if '"request_done"' in line]
    own = [line for line in lines if line.get("tenant") == home.name and line["timestamp"] >= since.isoformat()]
    told = [line for line in own if "eval_duration" in line]
    return [(line.get("prompt_eval_duration", 0) + line["eval_duration"]) / 1e9 for line in told]


def test_usage_agrees_with_what_ollama_measured(alice: Home) -> None:
    seconds, requests = booked(alice)
    began = datetime.now(UTC)
    for number in range(3):
        assert alice.ask(f"What is {number} and {number}?")["answer"].strip()
    computed = measured(alice, began)
    assert len(computed) >= 3
    until("all prompts being booked", lambda: booked(alice)[1] == requests + len(computed), timeout_s=BOOKED_S)
    assert booked(alice)[0] - seconds == pytest.approx(sum(computed), rel=0.01)


def test_a_home_is_answered_while_the_ledger_is_away_and_what_it_used_is_told_afterwards(alice: Home) -> None:
    cluster, scale = alice.cluster, ("scale", "deployment/insula-ledger", "-n", RELEASE_NAMESPACE)
    seconds, requests = booked(alice)
    began = datetime.now(UTC)
    cluster.kubectl(*scale, "--replicas=0")
    try:
        pods = ("get", "pods", "-n", RELEASE_NAMESPACE, "-l", "app.kubernetes.io/component=ledger", "-o", "name")
        until("the ledger being gone", lambda: not cluster.kubectl(*pods).strip(), timeout_s=60)
        assert alice.ask("What is four and four?")["answer"].strip()
    finally:
        cluster.kubectl(*scale, "--replicas=1")
        cluster.rolled_out(RELEASE_NAMESPACE, "deployment/insula-ledger")
    computed = measured(alice, began)
    until("the prompt being booked", lambda: booked(alice)[1] == requests + len(computed), timeout_s=TOLD_S)
    assert booked(alice)[0] - seconds == pytest.approx(sum(computed), rel=0.01)


def test_whoever_has_no_role_does_not_see_what_homes_use(alice: Home) -> None:
    as_somebody = ("--as=somebody@example.com", "get", "--raw")
    path = f"/api/v1/namespaces/{RELEASE_NAMESPACE}/services/insula-ledger:ledger/proxy/usage"
    with pytest.raises(CommandError, match="orbidden"):
        alice.cluster.kubectl(*as_somebody, path)


@pytest.fixture
def plan(cluster: Cluster) -> Iterator[str]:
    """A plan whose homes have one GPU-second a day."""
    spec = cluster.get("plan", "standard")["spec"] | {"inference": {"gpuSecondsPerDay": 1}}
    manifest = {"apiVersion": names.API_VERSION, "kind": "Plan", "metadata": {"name": PLAN}, "spec": spec}
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(manifest))
    yield PLAN
    cluster.kubectl("delete", "plan", PLAN, "--ignore-not-found")


def test_a_home_that_has_used_its_day_is_told_so_and_so_is_whoever_looks_at_it(
    plan: str, a_place: Callable[[str], Home]
) -> None:
    sparing = a_place("sparing")
    create(sparing, "--plan", plan, "--model", MODEL)
    answers = sparing.inside(PROMPT, sparing.key, MODEL, "30")
    status, quota, retry_after, _ = answers[-1]
    assert status == 429
    assert quota.endswith("/1")
    assert 0 < int(retry_after) <= 86_400
    until("a second being booked", lambda: booked(sparing)[0] >= 1, timeout_s=BOOKED_S)
    until(
        "the condition saying so",
        lambda: sparing.condition("WithinQuota").get("reason") == "UsedUp",
        timeout_s=TOLD_S,
    )
    assert sparing.condition("Ready")["status"] == "True"
