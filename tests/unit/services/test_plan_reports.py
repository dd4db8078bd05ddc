"""What a Plan's status says, and how seldom."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services_world import FakeCluster, a_plan

from insula.domain.manifests import Manifest, reference
from insula.services import plan_reports
from insula.services.rolling import Counts

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROLLING = Counts(1000, frozenset(f"p{n}" for n in range(300)), frozenset({"alice", "bob"}))


def the_plan(**spec: Any) -> Manifest:
    plan = a_plan(**spec)
    plan["metadata"] |= {"uid": "uid-plan", "generation": 3}
    return plan


class Registry(FakeCluster):
    """Keeps the status that it is given."""

    async def apply_status(self, manifest: Manifest) -> Manifest:
        self.live[reference(manifest)] = self.live[reference(manifest)] | {"status": manifest["status"]}
        return await super().apply_status(manifest)


def condition(report: Manifest) -> Manifest:
    (found,) = report["conditions"]
    return dict(found)


def test_progress_is_counted() -> None:
    report = plan_reports.report(the_plan(), ROLLING, NOW)
    assert [report[key] for key in ("tenants", "updated", "unavailable", "observedGeneration")] == [1000, 700, 2, 3]
    assert condition(report)["reason"] == "Rolling"
    assert "300 of 1000" in condition(report)["message"]


def test_a_roll_that_stands_still_names_the_homes_that_hold_it() -> None:
    report = plan_reports.report(the_plan(rollout={"maxUnavailable": 2}), ROLLING, NOW)
    assert condition(report)["reason"] == "Waiting"
    assert "alice, bob" in condition(report)["message"]


def test_a_change_that_is_through_is_said_to_be() -> None:
    found = condition(plan_reports.report(the_plan(), Counts(1000), NOW))
    assert (found["status"], found["reason"]) == ("True", "Complete")


async def test_a_status_is_written_when_it_changed_and_not_again() -> None:
    cluster = Registry(the_plan())
    for minute in range(3):
        await plan_reports.write(cluster, lambda _plan: Counts(1000), now=NOW + timedelta(minutes=minute))
    assert cluster.done == ["status Plan/standard"]


async def test_before_all_homes_were_seen_nothing_is_said() -> None:
    cluster = Registry(the_plan())
    await plan_reports.write(cluster, lambda _plan: None, now=NOW)
    assert cluster.done == []
