"""`--wait`: shows conditions as they change until something is reached, or says why it was not."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Protocol

from rich.console import Console
from rich.live import Live

from insula.cli import output, views
from insula.domain.errors import UnavailableError
from insula.services.tenancy import POLL_S, TenantView

QUIET_S = 5.0  # where there is no terminal, a condition whose message alone changes speaks at most this often


class Screen(Protocol):
    """Where a wait is shown."""

    def draw(self, tenant: TenantView) -> None:
        """Show how a tenant stands."""


async def until(
    views_of_tenant: AsyncIterator[TenantView],
    reached: Callable[[TenantView], bool],
    *,
    timeout_s: float,
    goal: str,
    console: Console,
) -> TenantView:
    """Show a tenant until `reached` holds and return it as it then stands.

    Raises:
        UnavailableError: It was not reached within `timeout_s` seconds; the message names the first obstacle.
    """
    last: TenantView | None = None
    with _screen(console) as screen:
        try:
            async with asyncio.timeout(timeout_s):
                async for tenant in views_of_tenant:
                    last = tenant
                    screen.draw(tenant)
                    if reached(tenant):
                        return tenant
        except TimeoutError as error:
            raise _gave_up(last, timeout_s, goal) from error
    raise UnavailableError(f"{goal}: watching ended too early")


async def until_gone(left: Callable[[], Awaitable[list[str]]], *, timeout_s: float, goal: str) -> None:
    """Wait until nothing is left of what `left` names.

    Raises:
        UnavailableError: Something was left after `timeout_s` seconds.
    """
    remaining: list[str] = []
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                remaining = await left()
                if not remaining:
                    return
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        raise UnavailableError(
            f"{goal} was not reached within {timeout_s:.0f} s: still there: {', '.join(remaining) or 'unknown'}",
            remedy="`insula doctor` says whether the operator runs",
        ) from error


def _gave_up(last: TenantView | None, timeout_s: float, goal: str) -> UnavailableError:
    obstacle = last.obstacle if last else None
    reason = f"{obstacle.type} is {obstacle.status}: {obstacle.message} ({obstacle.reason})" if obstacle else ""
    reason = reason or "the operator has not spoken of it"
    remedy = "`insula doctor` checks the cluster; a longer --timeout waits on"
    return UnavailableError(f"{goal} was not reached within {timeout_s:.0f} s: {reason}", remedy=remedy)


@contextlib.contextmanager
def _screen(console: Console) -> Iterator[Screen]:
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4) as live:
            yield _Table(live)
    else:
        yield Lines(print_line=lambda line: console.print(line, soft_wrap=True), clock=time.monotonic)


class _Table:
    """The conditions as a table that is drawn anew in its place."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def draw(self, tenant: TenantView) -> None:
        rows, styles = views.condition_rows(tenant)
        self._live.update(output.grid(views.CONDITION_HEADINGS, rows, styles=styles))


class Lines:
    """One line for each change, with the seconds since the start; for logs and pipes.

    Args:
        print_line: Takes one line.
        clock: Returns seconds that only grow.
    """

    def __init__(self, *, print_line: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._print = print_line
        self._clock = clock
        self._start = clock()
        self._told: dict[str, tuple[str, str, str, float]] = {}

    def draw(self, tenant: TenantView) -> None:
        """Print the conditions that changed since they were last told."""
        now = self._clock() - self._start
        for each in tenant.statements:
            status, reason, message, told_s = self._told.get(each.type, ("", "", "", -QUIET_S))
            turned = (status, reason) != (each.status, each.reason)
            if turned or (message != each.message and now - told_s >= QUIET_S):
                self._told[each.type] = (each.status, each.reason, each.message, now)
                self._print(f"{now:6.1f} s  {each.type:<20} {each.status:<8} {each.reason}: {each.message}")
