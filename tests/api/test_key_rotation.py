"""A request for a new key against a real API server: honoured once, whatever stops and starts."""

import base64

from api.homes import World, a_tenant, operating, settled
from api.server import ApiServer, eventually
from api.test_homes import Name
from insula.domain import names
from insula.domain.manifests import reference

FIRST, SECOND = "2026-11-25T12:00:00Z/900", "2026-11-25T13:00:00Z/0"


def asking(request: str) -> dict[str, object]:
    return {"metadata": {"annotations": {names.ANNOTATION_ROTATE_KEY: request}}}


async def key_of(world: World, tenant: str) -> str:
    secret = await world.wait_for(tenant, "Secret", names.SECRET_GATEWAY_KEY)
    return base64.b64decode(secret["data"]["key"]).decode()


async def test_each_request_for_a_new_key_is_honoured_once(server: ApiServer, world: World, a_name: Name) -> None:
    alice = a_name("alice")

    async def has_generation(generation: str) -> dict[str, str]:
        found: dict[str, str] = (await world.namespace(alice))["metadata"]["annotations"]
        assert found[names.ANNOTATION_KEY_GENERATION] == generation
        assert (await key_of(world, alice)).split(".")[2] == generation
        return found

    async with operating(server):
        tenant = reference(await world.create(a_tenant(alice)))
        await eventually(lambda: has_generation("1"))
        await world.client.merge_patch(tenant, asking(FIRST))
        noted = await eventually(lambda: has_generation("2"))
        assert noted[names.ANNOTATION_KEY_ROTATED] == FIRST
        assert noted[names.ANNOTATION_KEY_GRACE].startswith("1/")
    # Another operator, with an empty memory of its own, does not do it again.
    async with operating(server):
        await settled(server)
        assert await has_generation("2") == noted
        await world.client.merge_patch(tenant, asking(SECOND))
        noted = await eventually(lambda: has_generation("3"))
        assert names.ANNOTATION_KEY_GRACE not in noted
        await world.client.merge_patch(tenant, asking(FIRST))
        await settled(server)
        assert await has_generation("3") == noted
