import asyncio
import json
from pathlib import Path
from typing import Any

from aiohttp import web
from bench import first_answer
from bench.common import bare_start, figures
from bench.common.figures import Figure
from bench.first_answer import Run

from insula.domain.conditions import ConditionType
from insula.kube.client import Client
from insula.kube.config import Access


def a_tenant(version: int, *kinds: ConditionType) -> dict[str, Any]:
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"} for kind in kinds]
    return {"metadata": {"name": "t", "resourceVersion": str(version)}, "status": {"conditions": conditions}}


async def test_stages_are_noted_from_the_list_and_from_watches_that_end_and_go_on() -> None:
    every = list(ConditionType)

    async def tenants(request: web.Request) -> web.StreamResponse:
        assert request.query["fieldSelector"] == "metadata.name=t"
        if "watch" not in request.query:
            return web.json_response({"metadata": {"resourceVersion": "1"}, "items": [a_tenant(1, *every[:1])]})
        since = int(request.query["resourceVersion"])
        response = web.StreamResponse()
        await response.prepare(request)
        for version in range(since + 1, since + 4):
            event = {"type": "MODIFIED", "object": a_tenant(version, *every[:version])}
            line = json.dumps(event).encode() + b"\n"
            await response.write(line[:20])
            await asyncio.sleep(0)
            await response.write(line[20:])
        return response

    application = web.Application()
    application.router.add_get("/apis/insula.dev/v1alpha1/tenants", tenants)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    run = Run("t")
    try:
        async with Client(Access(f"http://127.0.0.1:{runner.addresses[0][1]}")) as client, asyncio.timeout(10):
            await first_answer._follow(client, run, asyncio.get_running_loop().time())
    finally:
        await runner.cleanup()
    assert list(run.stages) == list(first_answer._STAGES.values())
    assert run.stages["accepted"] <= run.stages["ready"]


def test_a_figure_is_written_with_its_spread(tmp_path: Path) -> None:
    figure = Figure("x_seconds", [3.0, 1.0, 2.0], "s", goal=12.0, peer=1.5, peer_name="the floor", limited_by="disk")
    figures.write(tmp_path / "deep" / "x.json", [figure], runs=[1])
    document = json.loads((tmp_path / "deep" / "x.json").read_text())
    assert document["figures"] == [
        {
            "figure": "x_seconds",
            "value": 2.0,
            "unit": "s",
            "goal": 12.0,
            "peer": 1.5,
            "peer_name": "the floor",
            "n": 3,
            "min": 1.0,
            "max": 3.0,
            "limited_by": "disk",
        }
    ]
    assert document["machine"]
    assert document["date"]
    assert document["runs"] == [1]


def test_the_figures_bear_the_names_that_are_followed_over_time() -> None:
    stages = {**dict.fromkeys(first_answer._STAGES.values(), 2.0), "login": 8.0, "answer": 9.0}
    run = Run("t", stages=stages, bare_start_s=4.0, rest_mib=900.0)
    taken = first_answer._figures([run], {"operator": [60.0], "gateway": [70.0]}, {"cold": 1200.0, "warm": 60.0})
    assert {"first_answer_seconds", "ha_bare_start_seconds", "tenant_rest_mib", "operator_rss_mib"} <= {
        figure.figure for figure in taken
    }
    assert {"gateway_rss_mib", "sandbox_cold_seconds", "sandbox_warm_seconds", "stage_models_seconds"} <= {
        figure.figure for figure in taken
    }
    assert (taken[0].goal, taken[0].peer) == (12.0, 4.0)


def test_the_floors_pod_has_nothing_of_the_tenant_but_its_home_assistant() -> None:
    container = {
        "name": "home-assistant",
        "image": "ha",
        "command": ["python3", "/insula/start.py"],
        "startupProbe": {},
        "volumeMounts": [{"name": "config", "mountPath": "/config"}],
    }
    spec = {
        "serviceAccountName": "home-assistant",
        "securityContext": {"runAsUser": 10001},
        "initContainers": [{"name": "claim"}],
        "containers": [container],
        "volumes": [
            {"name": "config", "persistentVolumeClaim": {"claimName": "home-assistant-config"}},
            {"name": "platform-account", "secret": {"secretName": "platform-account"}},
        ],
    }
    pod = bare_start._pod({"spec": {"template": {"spec": spec}}})["spec"]
    assert "initContainers" not in pod
    assert "serviceAccountName" not in pod
    assert pod["volumes"] == [{"name": "config", "emptyDir": {}}]
    assert "startupProbe" not in pod["containers"][0]
    assert pod["securityContext"] == {"runAsUser": 10001}
