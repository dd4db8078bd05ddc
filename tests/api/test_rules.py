"""What the API server itself refuses, by the schemas and rules of the CRDs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.homes import World, a_plan, a_tenant
from insula.domain.manifests import Manifest, reference
from insula.kube.answers import InvalidObjectError

Name = Callable[[str], str]
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


async def test_the_examples_are_accepted(world: World) -> None:
    for file in EXAMPLES:
        for document in yaml.safe_load_all(file.read_text()):
            await world.create(document)


async def test_the_server_fills_in_what_a_person_left_out(world: World, a_name: Name) -> None:
    made = await world.create(a_tenant(a_name("alice")))
    assert (made["spec"]["suspended"], made["spec"]["deletionPolicy"]) == (False, "Retain")


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({"owner": "nobody"}, "owner"),
        ({"plan": None}, "plan"),
        ({"homeAssistant": {"image": "Not An Image"}}, "image"),
        ({"homeAssistant": {"storageGiB": 0}}, "storageGiB"),
        ({"ollama": {"models": ["gemma3:270m", "gemma3:270m"]}}, "models"),
        ({"ollama": {"gpu": -1}}, "gpu"),
        ({"access": {"host": "Not A Host"}}, "host"),
        ({"deletionPolicy": "Burn"}, "deletionPolicy"),
        ({"adopt": "alice"}, "adopt"),
    ],
)
async def test_a_malformed_tenant_is_refused_at_once(
    world: World, a_name: Name, spec: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidObjectError, match=complaint):
        await world.client.create(without_nothing(a_tenant(a_name("bad"), **spec)))


async def test_a_name_that_cannot_be_part_of_a_host_is_refused(world: World) -> None:
    with pytest.raises(InvalidObjectError, match="no dots"):
        await world.client.create(a_tenant("alice.smith"))


async def test_a_volume_never_shrinks(world: World, a_name: Name) -> None:
    tenant = await world.create(a_tenant(a_name("alice"), homeAssistant={"storageGiB": 20}))
    await world.client.merge_patch(reference(tenant), {"spec": {"homeAssistant": {"storageGiB": 30}}})
    with pytest.raises(InvalidObjectError, match="grow"):
        await world.client.merge_patch(reference(tenant), {"spec": {"homeAssistant": {"storageGiB": 10}}})


async def test_an_adoption_is_for_good(world: World, a_name: Name) -> None:
    identity = "0b9c1c8e-7c1e-4f3a-9a57-0d1f3a5b7c9d"
    tenant = await world.create(a_tenant(a_name("alice"), adopt=identity))
    with pytest.raises(InvalidObjectError, match="adopt"):
        await world.client.merge_patch(reference(tenant), {"spec": {"adopt": None}})


async def test_a_plan_without_defaults_is_refused(world: World, a_name: Name) -> None:
    with pytest.raises(InvalidObjectError, match="defaults"):
        await world.client.create(without_nothing(a_plan(a_name("empty"), defaults=None)))


@pytest.mark.parametrize(
    ("gpu", "complaint"),
    [
        ({"class": "mig"}, "profile names a slice"),
        ({"class": "whole", "profile": "1g.10gb"}, "profile names a slice"),
        ({"class": "mig", "profile": "small"}, "MIG profile"),
        ({"class": "whole", "renamed": True}, "renamed is for shares"),
        ({"class": "half"}, "class"),
    ],
)
async def test_a_plan_that_sells_gpus_as_they_cannot_be_is_refused(
    world: World, a_name: Name, gpu: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidObjectError, match=complaint):
        await world.client.create(a_plan(a_name("odd"), gpu=gpu))


def without_nothing(manifest: Manifest) -> Manifest:
    """Return the manifest without the fields that are None."""
    return {**manifest, "spec": {key: value for key, value in manifest["spec"].items() if value is not None}}
