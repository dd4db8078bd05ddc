"""Each reviewed home, applied to a real API server: nothing of it is sent again, and nothing of another one is left."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from golden.test_rendered_homes import CASES
from insula.domain import names
from insula.domain.manifests import Manifest, ObjectRef, reference
from insula.kube.client import Client
from insula.kube.kinds import Kind
from insula.reconcile import prune, settling
from insula.reconcile.covers import covers
from insula.reconcile.model import OWNED_KINDS
from insula.render.stack import stack

HOME = "alice"  # whose homes the reviewed ones are


async def live_objects(client: Client) -> dict[ObjectRef, Manifest]:
    found: dict[ObjectRef, Manifest] = {}
    for owned in OWNED_KINDS:
        kind = Kind(owned.api_version, owned.kind, owned.plural, owned.namespaced)
        listing = await client.list(kind, namespace=names.namespace(HOME), selector=names.LABEL_TENANT)
        found |= {reference(item): item for item in listing.items}
    return found


@pytest_asyncio.fixture
async def home(client: Client) -> AsyncIterator[Client]:
    """The client; what a case leaves goes with it, but for the Namespace and the volumes."""
    yield client
    for ref in prune.surplus(await live_objects(client), ()):
        await client.delete(ref)


async def applied(client: Client, case: str) -> dict[ObjectRef, Manifest]:
    """Apply a case as it is rendered on what is there; return what is to be seen afterwards, with the Namespace."""
    whole = stack(*CASES[case])
    live = await live_objects(client)
    rendered = [settling.settled(live.get(reference(each)), each) for each in (*whole.ground, *whole.house)]
    for each in rendered:
        if each["kind"] == "Job":  # a Job cannot be changed
            await client.delete(reference(each))
        await client.apply(each)
    for ref in prune.surplus(await live_objects(client), {reference(each) for each in rendered}):
        await client.delete(ref)
    namespace = await client.get(ObjectRef("v1", "Namespace", "", names.namespace(HOME)))
    return {**await live_objects(client), reference(namespace): namespace}


def unsent(live: dict[ObjectRef, Manifest], case: str) -> list[str]:
    """Return what a look at the live objects would send."""
    whole = stack(*CASES[case])
    found = []
    for each in (*whole.ground, *whole.house):
        present = live.get(reference(each))
        if present is None or not covers(present, settling.settled(present, each)):
            found.append(str(reference(each)))
    return found


@pytest.mark.parametrize("case", CASES)
async def test_nothing_is_sent_again_after_a_home_was_applied(home: Client, case: str) -> None:
    live = await applied(home, case)
    assert unsent(live, case) == []
    for each in (*stack(*CASES[case]).ground, *stack(*CASES[case]).house):
        again = await home.apply(settling.settled(live[reference(each)], each))
        before = live[reference(each)]
        assert _without_version(again) == _without_version(before), f"{reference(each)} would have been changed"


def _without_version(manifest: Manifest) -> Manifest:
    # The API server may write the same again in another order, when a volume claim is applied for the second time.
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "resourceVersion"}
    return {**manifest, "metadata": metadata}


@pytest.mark.parametrize("case", [case for case in CASES if case != "fresh"])
async def test_what_a_field_made_goes_with_the_field(home: Client, case: str) -> None:
    fresh = content(await applied(home, "fresh"))
    await applied(home, case)
    assert content(await applied(home, "fresh")) == fresh


def content(objects: dict[ObjectRef, Manifest]) -> dict[ObjectRef, Manifest]:
    """Return what was rendered of the objects: neither what the API server keeps for itself nor data."""
    return {
        ref: {key: value for key, value in each.items() if key not in ("metadata", "spec", "status")}
        | {key: each["metadata"].get(key) for key in ("annotations", "labels")}
        | {"spec": {key: value for key, value in each.get("spec", {}).items() if not key.startswith("clusterIP")}}
        for ref, each in objects.items()
        if ref.kind != "PersistentVolumeClaim"  # data stay, and never shrink
    }
