"""Server-side apply as Insula uses it, against a real API server."""

from collections.abc import Callable

import pytest

from api.server import ApiServer
from insula.domain.errors import ConflictError, NotFoundError, RefusedError
from insula.domain.manifests import Manifest, ObjectRef, reference
from insula.kube import kinds
from insula.kube.answers import ForbiddenError, InvalidObjectError
from insula.kube.client import Client

Name = Callable[[str], str]


def a_config_map(name: str, **data: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default", "labels": {"insula.dev/tenant": name}},
        "data": data,
    }


async def test_applying_twice_changes_nothing(client: Client, a_name: Name) -> None:
    manifest = a_config_map(a_name("twice"), colour="red")
    first = await client.apply(manifest)
    second = await client.apply(manifest)
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]


async def test_a_field_no_longer_named_is_removed(client: Client, a_name: Name) -> None:
    name = a_name("fewer")
    await client.apply(a_config_map(name, colour="red", size="big"))
    assert (await client.apply(a_config_map(name, colour="red")))["data"] == {"colour": "red"}


async def test_drift_is_taken_back_by_force(client: Client, a_name: Name) -> None:
    manifest = a_config_map(a_name("drift"), colour="red")
    await client.apply(manifest)
    await client.merge_patch(reference(manifest), {"data": {"colour": "blue"}})
    assert (await client.apply(manifest))["data"] == {"colour": "red"}


async def test_fields_of_other_managers_are_left_alone(client: Client, a_name: Name) -> None:
    manifest = a_config_map(a_name("shared"), colour="red")
    await client.apply(manifest)
    theirs = {**manifest, "data": {"taste": "sweet"}, "metadata": {**manifest["metadata"], "labels": {"their": "own"}}}
    await client.apply(theirs, manager="someone-else")
    after = await client.apply(manifest)
    assert after["data"] == {"colour": "red", "taste": "sweet"}
    assert after["metadata"]["labels"]["their"] == "own"


async def test_a_deletion_spares_an_object_made_again_under_the_name(client: Client, a_name: Name) -> None:
    manifest = a_config_map(a_name("again"), colour="red")
    old = await client.apply(manifest)
    await client.delete(reference(manifest), uid=old["metadata"]["uid"])
    await client.apply(manifest)
    with pytest.raises(ConflictError):
        await client.delete(reference(manifest), uid=old["metadata"]["uid"])


async def test_deleting_what_is_not_there_says_so_and_is_no_error(client: Client, a_name: Name) -> None:
    assert not await client.delete(ObjectRef("v1", "ConfigMap", "default", a_name("nothing")))


async def test_a_conditional_patch_fails_when_someone_was_faster(client: Client, a_name: Name) -> None:
    manifest = a_config_map(a_name("faster"), colour="red")
    seen = await client.apply(manifest)
    await client.merge_patch(reference(manifest), {"data": {"colour": "blue"}})
    version = seen["metadata"]["resourceVersion"]
    with pytest.raises(ConflictError):
        await client.merge_patch(
            reference(manifest), {"metadata": {"resourceVersion": version}, "data": {"colour": "green"}}
        )


async def test_what_is_missing_is_not_found(client: Client, a_name: Name) -> None:
    ref = ObjectRef("v1", "ConfigMap", "default", a_name("missing"))
    assert await client.find(ref) is None
    with pytest.raises(NotFoundError):
        await client.get(ref)


async def test_a_malformed_object_is_refused_in_the_servers_words(client: Client, a_name: Name) -> None:
    manifest = a_config_map(a_name("bad"))
    manifest["metadata"]["labels"] = {"not a label!": "x"}
    with pytest.raises(InvalidObjectError, match="not a label"):
        await client.apply(manifest)


async def test_someone_without_a_role_is_refused(server: ApiServer, a_name: Name) -> None:
    async with Client(server.access_of("bob", "nobodies")) as bob:
        with pytest.raises(ForbiddenError, match="bob") as caught:
            await bob.apply(a_config_map(a_name("forbidden")))
    assert isinstance(caught.value, RefusedError)
    assert "role" in caught.value.remedy


async def test_a_long_list_is_read_in_pages(client: Client, a_name: Name) -> None:
    stem = a_name("pages")
    labels = {"pages": stem}
    for number in range(3):
        manifest = a_config_map(f"{stem}-{number}")
        manifest["metadata"]["labels"] = labels
        await client.apply(manifest)
    listing = await client.list(kinds.CONFIG_MAP, namespace="default", selector=f"pages={stem}")
    assert [item["metadata"]["name"] for item in listing.items] == [f"{stem}-{number}" for number in range(3)]
    assert all(item["kind"] == "ConfigMap" and item["apiVersion"] == "v1" for item in listing.items)
