"""What the operator says about itself."""

from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from insula.domain.errors import InvalidSpecError, NotFoundError
from insula.operator.metrics import Metrics
from insula.operator.settings import load_platform
from insula.services import health


async def asked(
    path: str, *, unready: list[str], unhealthy: list[str], metrics: Metrics | None = None
) -> tuple[int, str]:
    registry = (metrics or Metrics()).registry
    runner = web.AppRunner(health.application(registry, unready=lambda: unready, unhealthy=lambda: unhealthy))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()
    finally:
        await runner.cleanup()


async def test_readiness_names_what_is_missing() -> None:
    status, text = await asked("/readyz", unready=["not listed yet: pods"], unhealthy=[])
    assert (status, text) == (503, "not listed yet: pods\n")


async def test_who_is_not_ready_is_not_restarted_for_it() -> None:
    assert await asked("/healthz", unready=["not listed yet: pods"], unhealthy=[]) == (200, "ok\n")


async def test_only_what_a_restart_mends_is_unhealthy() -> None:
    assert (await asked("/healthz", unready=[], unhealthy=["nothing moves"]))[0] == 503


async def test_metrics_tell_of_looks_calls_watches_and_gauges() -> None:
    metrics = Metrics()
    metrics.count_look("ok", 0.01)
    metrics.count_call("apply", "namespaces", 201, 0.01)
    metrics.count_call("watch", "pods", 200, 300.0)
    metrics.count_lost("pods", "silent")
    metrics.gauge("insula_operator_queue_depth", "Homes that wait.", lambda: 3.0)
    metrics.gauges("insula_operator_objects", "Objects.", "resource", lambda: {"pods": 5})
    _, text = await asked("/metrics", unready=[], unhealthy=[], metrics=metrics)
    for line in (
        'insula_operator_look_seconds_count{result="ok"} 1.0',
        'insula_operator_api_answers_total{code="201",resource="namespaces",verb="apply"} 1.0',
        'insula_operator_watch_lost_total{reason="silent",resource="pods"} 1.0',
        "insula_operator_queue_depth 3.0",
        'insula_operator_objects{resource="pods"} 5.0',
    ):
        assert line in text
    assert 'api_call_seconds_count{resource="pods"' not in text, "a watch lasts minutes and is no slow call"


def test_a_platform_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "platform.yaml"
    path.write_text(
        "domain: homes.test\nreleaseNamespace: insula-system\n"
        "images: {insula: 'a:1', homeAssistant: 'b:1', ollama: 'c:1'}\n"
    )
    assert load_platform(path).domain == "homes.test"


def test_a_platform_file_that_is_missing_or_wrong_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        load_platform(tmp_path / "none.yaml")
    (tmp_path / "wrong.yaml").write_text("domain: homes.test\n")
    with pytest.raises(InvalidSpecError, match="images"):
        load_platform(tmp_path / "wrong.yaml")
