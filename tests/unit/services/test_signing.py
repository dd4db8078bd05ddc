"""Signing keys that are made once, and verify keys that are published."""

import base64
import json

import pytest
from services_world import FakeCluster

from insula.domain.errors import InvalidSpecError, UnavailableError
from insula.domain.manifests import Manifest, ObjectRef
from insula.services.keys import SigningKeys, VerifyKeys
from insula.services.signing import Signer

SECRET = ObjectRef("v1", "Secret", "insula-system", "insula-signing-keys")
CONFIG_MAP = ObjectRef("v1", "ConfigMap", "insula-system", "insula-verify-keys")
IDENTITY = "0b9c1c8e-7c1e-4f3a-9a57-0d1f3a5b7c9d"


async def test_keys_are_made_where_there_are_none_and_verify_what_they_sign() -> None:
    cluster = FakeCluster()
    signer = Signer(cluster, "insula-system")
    await signer.refresh()
    published = VerifyKeys.from_json(cluster.live[CONFIG_MAP]["data"]["keys.json"])
    assert published.verify(signer.tenant_key(IDENTITY, 3)).generation == 3


async def test_a_second_start_writes_nothing_and_signs_the_same() -> None:
    cluster = FakeCluster()
    first, second = Signer(cluster, "insula-system"), Signer(cluster, "insula-system")
    await first.refresh()
    done = list(cluster.done)
    await second.refresh()
    assert cluster.done == done
    assert first.tenant_key(IDENTITY, 1) == second.tenant_key(IDENTITY, 1)


async def test_deleted_verify_keys_are_published_again() -> None:
    cluster = FakeCluster()
    signer = Signer(cluster, "insula-system")
    await signer.refresh()
    text = cluster.live.pop(CONFIG_MAP)["data"]
    await signer.refresh()
    assert cluster.live[CONFIG_MAP]["data"] == text


async def test_rotated_keys_come_into_force_and_the_old_ones_stay_verifiable() -> None:
    cluster = FakeCluster()
    signer = Signer(cluster, "insula-system")
    await signer.refresh()
    old = signer.tenant_key(IDENTITY, 1)
    keys = SigningKeys.load(cluster.live[SECRET]["data"]).rotate()
    cluster.live[SECRET] = {**cluster.live[SECRET], "data": keys.dump()}
    await signer.refresh()
    published = VerifyKeys.from_json(cluster.live[CONFIG_MAP]["data"]["keys.json"])
    assert signer.tenant_key(IDENTITY, 1) != old
    assert published.verify(old).tenant_id == IDENTITY
    assert len(json.loads(cluster.live[CONFIG_MAP]["data"]["keys.json"])) == 2


async def test_who_loses_the_race_for_the_first_keys_tries_again_and_takes_the_winners() -> None:
    class Raced(FakeCluster):
        async def create(self, manifest: Manifest) -> Manifest:
            await FakeCluster.create(self, {**manifest, "data": SigningKeys.generate().dump()})
            return await super().create(manifest)

    cluster = Raced()
    signer = Signer(cluster, "insula-system")
    with pytest.raises(UnavailableError):
        await signer.refresh()
    await signer.refresh()
    kid = signer.tenant_key(IDENTITY, 1).partition(".")[0]
    assert list(json.loads(SigningKeys.load(cluster.live[SECRET]["data"]).verify_keys_json())) == [kid]


async def test_spoilt_signing_keys_are_not_replaced_by_new_ones() -> None:
    spoilt = {"signing-keys.json": base64.b64encode(b"{}").decode()}
    metadata = {"name": SECRET.name, "namespace": SECRET.namespace}
    cluster = FakeCluster({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": spoilt})
    with pytest.raises(InvalidSpecError, match="signing"):
        await Signer(cluster, "insula-system").refresh()
    assert cluster.done == []


def test_nothing_is_signed_before_the_keys_are_read() -> None:
    with pytest.raises(UnavailableError):
        Signer(FakeCluster(), "insula-system").tenant_key(IDENTITY, 1)
