"""What a person does about homes that lost their Tenants."""

from typing import Any

import pytest
from cli_fakes import FakeCluster, a_tenant, an_object

from insula.domain import names
from insula.domain.errors import NotFoundError
from insula.services import departures, tenancy


def a_space(name: str = "alice", **annotations: str) -> dict[str, Any]:
    labels = names.owned_labels(name) | {names.LABEL_TENANT_ID: f"id-of-{name}"}
    written = {names.ANNOTATION_TENANT_UID: f"uid-of-{name}"} | annotations
    return an_object("v1", "Namespace", names.namespace(name), metadata={"labels": labels, "annotations": written})


HELD = {names.ANNOTATION_HELD_SINCE: "2026-01-01T00:00:00Z"}


async def test_held_homes_are_those_that_nobody_decided_about() -> None:
    confirmed = HELD | {names.ANNOTATION_DEPARTURE_CONFIRMED: "uid-of-carol"}
    cluster = FakeCluster(a_space("alice"), a_space("bob", **HELD), a_space("carol", **confirmed))
    assert await departures.held(cluster) == ["bob"]


async def test_to_confirm_names_the_tenant_that_went() -> None:
    cluster = FakeCluster(a_space(**HELD))
    await departures.confirm(cluster, "alice")
    written = cluster.objects[tenancy.namespace_ref("alice")]["metadata"]["annotations"]
    assert written[names.ANNOTATION_DEPARTURE_CONFIRMED] == "uid-of-alice"


async def test_who_waits_for_a_held_home_is_told_how_to_let_it_go() -> None:
    with pytest.raises(departures.HeldError) as caught:
        await departures.require_not_held(FakeCluster(a_space(**HELD)), "alice")
    assert "insula tenant confirm-deletion alice" in caught.value.remedy
    await departures.require_not_held(FakeCluster(a_space()), "alice")


async def test_a_tenant_made_again_takes_over_the_home_of_its_name() -> None:
    cluster = FakeCluster(a_tenant(), a_space(**HELD))
    assert await departures.adopt(cluster, "alice") == "id-of-alice"
    assert cluster.objects[tenancy.tenant_ref("alice")]["spec"]["adopt"] == "id-of-alice"


async def test_where_there_is_no_home_there_is_nothing_to_confirm() -> None:
    with pytest.raises(NotFoundError):
        await departures.confirm(FakeCluster(), "alice")
