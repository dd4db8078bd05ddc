"""A change of Home Assistant's image: tried for a while, and taken back where it does not become ready.

What runs well needs no memory. It begins when another image is asked for, and ends when that one has become ready.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from insula.domain import times
from insula.domain.errors import cap
from insula.domain.platform import Platform
from insula.domain.situation import Upgrade
from insula.domain.tenants import Tenant
from insula.reconcile import reading
from insula.reconcile.facts import Facts
from insula.reconcile.workloads import Workload

NOTHING: Final = Upgrade()


def wanted_image(tenant: Tenant, platform: Platform) -> str:
    """Return the image that is asked for."""
    return tenant.home_assistant.image or platform.images.home_assistant


def advance(
    upgrade: Upgrade,
    tenant: Tenant,
    platform: Platform,
    facts: Facts,
    *,
    is_claimed: bool,
    may_begin: bool,
    now: datetime,
) -> Upgrade:
    """Return how the upgrade stands now.

    Args:
        upgrade: How it stood before.
        tenant: The spec in force.
        platform: The provider's settings.
        facts: What the live objects tell.
        is_claimed: Whether the home ran before, so that there is something to go back to.
        may_begin: Whether another image may be tried now.
        now: The time.
    """
    wanted, live = wanted_image(tenant, platform), facts.home_assistant_image
    since = "" if tenant.suspended else times.written(now)
    if upgrade.tried == wanted:
        return _go_on(upgrade, facts, since=since, now=now, deadline_s=platform.upgrade_deadline_s)
    if not may_begin:
        return upgrade
    if upgrade.tried:
        # Who asks for the old image while the new one is tried takes it back by hand: its data come back, too.
        return Upgrade(good=upgrade.good) if wanted == upgrade.good else Upgrade(upgrade.good, wanted, since)
    if is_claimed and live not in ("", wanted):
        return Upgrade(live, wanted, since)
    return upgrade


def in_force(tenant: Tenant, upgrade: Upgrade) -> Tenant:
    """Return the tenant with the image that is to run: the good one where the one asked for failed."""
    if not upgrade.failed:
        return tenant
    return replace(tenant, home_assistant=replace(tenant.home_assistant, image=upgrade.good))


def rest_s(upgrade: Upgrade, platform: Platform, now: datetime) -> float | None:
    """Return the seconds that the image being tried has left; None: none is."""
    if not upgrade.since or upgrade.failed:
        return None
    return max(0.0, platform.upgrade_deadline_s - reading.seconds_since(upgrade.since, now))


def _go_on(upgrade: Upgrade, facts: Facts, *, since: str, now: datetime, deadline_s: float) -> Upgrade:
    if upgrade.failed:
        return upgrade
    if facts.home_assistant_image == upgrade.tried and _answers(facts.home_assistant):
        return NOTHING
    if not since:
        return replace(upgrade, since="")  # suspended: the time stands still
    if not upgrade.since:
        return replace(upgrade, since=since)
    if reading.seconds_since(upgrade.since, now) < deadline_s:
        return upgrade
    return replace(upgrade, failed=cap(f"{facts.home_assistant.message} ({facts.home_assistant.reason})"))


def _answers(report: Workload) -> bool:
    return report.is_ready and report.is_current
