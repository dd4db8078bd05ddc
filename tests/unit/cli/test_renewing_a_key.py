from datetime import UTC, datetime, timedelta

import pytest
from cli_fakes import FakeCluster, FakeHome, a_home, a_tenant, an_object

from insula.cli import durations, views
from insula.domain import names
from insula.domain.errors import NotFoundError, RefusedError, UnavailableError, UsageError
from insula.domain.key_rotation import Request
from insula.domain.manifests import Manifest
from insula.services import asking, renewing_keys, tenancy

NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


def a_namespace(**annotations: str) -> Manifest:
    found = {f"insula.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return an_object("v1", "Namespace", "insula-alice", metadata={"annotations": found})


async def test_a_new_key_is_asked_for_on_the_tenant() -> None:
    cluster = FakeCluster(a_tenant(), a_namespace(key_generation="4"))
    rotation = await renewing_keys.ask(cluster, "alice", grace_s=90, now=NOW)
    assert rotation.generation == 5
    ((ref, patch),) = cluster.patches
    assert ref == tenancy.tenant_ref("alice")
    assert patch == {"metadata": {"annotations": {names.ANNOTATION_ROTATE_KEY: "2026-11-25T12:00:00+00:00/90"}}}


async def test_a_request_is_later_than_the_last_one_whatever_this_machines_clock_says() -> None:
    ahead = Request(NOW + timedelta(hours=1)).to_text()
    cluster = FakeCluster(a_tenant(), a_namespace(key_rotated=ahead))
    rotation = await renewing_keys.ask(cluster, "alice", grace_s=0, now=NOW)
    assert rotation.request.asked > NOW + timedelta(hours=1)


async def test_a_tenant_that_is_not_there_gets_no_key() -> None:
    with pytest.raises(NotFoundError):
        await renewing_keys.ask(FakeCluster(), "alice", grace_s=0, now=NOW)
    with pytest.raises(UnavailableError, match="has no key yet"):
        await renewing_keys.ask(FakeCluster(a_tenant()), "alice", grace_s=0, now=NOW)


async def test_waiting_ends_when_the_conversation_is_set_up_with_the_new_key() -> None:
    cluster = FakeCluster(a_tenant(), a_namespace(conversing="old"))
    rotation = await renewing_keys.ask(cluster, "alice", grace_s=0, now=NOW)
    with pytest.raises(UnavailableError, match="has not taken note"):
        await renewing_keys.wait(cluster, rotation, timeout_s=0.01, poll_s=0)
    text = rotation.request.to_text()
    cluster.objects[tenancy.namespace_ref("alice")] = a_namespace(conversing="old", key_rotated=text)
    with pytest.raises(UnavailableError, match="Home Assistant has not got it"):
        await renewing_keys.wait(cluster, rotation, timeout_s=0.01, poll_s=0)
    cluster.objects[tenancy.namespace_ref("alice")] = a_namespace(conversing="new", key_rotated=text)
    await renewing_keys.wait(cluster, rotation, timeout_s=1, poll_s=0)


async def test_a_home_without_a_conversation_has_its_key_when_it_is_made() -> None:
    cluster = FakeCluster(a_tenant(), a_namespace())
    rotation = await renewing_keys.ask(cluster, "alice", grace_s=0, now=NOW)
    cluster.objects[tenancy.namespace_ref("alice")] = a_namespace(key_rotated=rotation.request.to_text())
    await renewing_keys.wait(cluster, rotation, timeout_s=1, poll_s=0)


def test_what_became_of_a_rotation_is_said_with_the_old_keys_fate() -> None:
    stolen = renewing_keys.Rotation("alice", Request(NOW, 0), 2, "")
    assert views.rotation_words(stolen, in_use=True) == "alice has key 2; the old one is dead"
    usual = renewing_keys.Rotation("alice", Request(NOW, 900), 2, "")
    assert "the old one opens for 15m more" in views.rotation_words(usual, in_use=False)
    assert views.rotation_json(usual, in_use=False)["graceSeconds"] == 900


@pytest.mark.parametrize(("text", "length_s"), [("0s", 0), ("90s", 90), ("15m", 900), ("2h", 7200), ("1d", 86_400)])
def test_a_length_of_time_is_read_and_said(text: str, length_s: int) -> None:
    assert durations.seconds(text) == length_s
    assert durations.words(length_s) == text


@pytest.mark.parametrize("text", ["", "15", "-1s", "1.5h", "soon"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no length of time"):
        durations.seconds(text)


async def test_the_initial_password_is_told_while_the_home_takes_it() -> None:
    home = FakeHome("hello")
    account = await asking.initial_login(FakeCluster(*a_home()), home.log_in, "alice")
    assert account == asking.Account("alice", "initial")
    assert "initial" not in repr(account)


async def test_an_initial_password_that_was_changed_is_not_told() -> None:
    home = FakeHome("hello", refuses=True)
    with pytest.raises(RefusedError, match="has chosen another one"):
        await asking.initial_login(FakeCluster(*a_home()), home.log_in, "alice")
