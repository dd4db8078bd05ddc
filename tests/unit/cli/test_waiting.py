import io
from collections.abc import AsyncIterator

import pytest
from cli_fakes import FakeCluster, a_condition, a_tenant
from rich.console import Console

from insula.cli import waiting
from insula.domain.errors import UnavailableError
from insula.domain.manifests import Manifest
from insula.services import tenancy
from insula.services.tenancy import TenantView

PULLING = a_condition("ModelsReady", "False", "Pulling", "pulling gemma3:270m, 43 %")


async def a_life(*stages: Manifest) -> AsyncIterator[TenantView]:
    for stage in stages:
        yield tenancy.view(stage)


def a_console() -> Console:
    return Console(file=io.StringIO(), force_terminal=False, width=200)


async def until_ready(stages: AsyncIterator[TenantView], console: Console, timeout_s: float = 5.0) -> TenantView:
    return await waiting.until(
        stages, lambda seen: seen.is_ready, timeout_s=timeout_s, goal="alice being ready", console=console
    )


async def test_waiting_ends_with_the_tenant_that_reached_it() -> None:
    stages = a_life(a_tenant(), a_tenant(conditions=[a_condition("Ready")]))
    assert (await until_ready(stages, a_console())).is_ready


async def test_a_terminal_shows_all_conditions_as_a_table() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    await until_ready(a_life(a_tenant(conditions=[PULLING]), a_tenant(conditions=[a_condition("Ready")])), console)
    assert "CONDITION" in screen.getvalue()
    assert "all is well" in screen.getvalue()


async def test_a_timeout_names_the_goal_and_the_first_obstacle() -> None:
    cluster = FakeCluster(a_tenant(conditions=[a_condition("Accepted"), PULLING]))
    with pytest.raises(UnavailableError, match=r"alice being ready was not reached.*ModelsReady.*43 %.*Pulling"):
        await until_ready(tenancy.follow(cluster, "alice", poll_s=0.01), a_console(), timeout_s=0.05)


def test_without_a_terminal_each_change_is_one_line() -> None:
    printed: list[str] = []
    times = iter([0.0, 1.0, 2.0, 3.0])
    lines = waiting.Lines(print_line=printed.append, clock=lambda: next(times))
    for conditions in ([PULLING], [PULLING], [a_condition("ModelsReady")]):
        lines.draw(tenancy.view(a_tenant(conditions=conditions)))
    assert [line.split()[:4] for line in printed] == [
        ["1.0", "s", "ModelsReady", "False"],
        ["3.0", "s", "ModelsReady", "True"],
    ]


def test_a_message_that_keeps_changing_speaks_every_few_seconds_only() -> None:
    printed: list[str] = []
    times = iter([0.0, *(float(second) for second in range(1, 12))])
    lines = waiting.Lines(print_line=printed.append, clock=lambda: next(times))
    for percent in range(11):
        pulling = a_condition("ModelsReady", "False", "Pulling", f"{percent} %")
        lines.draw(tenancy.view(a_tenant(conditions=[pulling])))
    assert [line.split()[-2] for line in printed] == ["0", "5", "10"]


async def test_what_is_left_is_named_when_waiting_for_an_end_takes_too_long() -> None:
    async def left() -> list[str]:
        return ["pod ollama-1"]

    with pytest.raises(UnavailableError, match="still there: pod ollama-1"):
        await waiting.until_gone(left, timeout_s=0.01, goal="the end of alice")
