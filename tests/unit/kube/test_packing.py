"""Objects of a kind are kept small, and come back as they were."""

from collection import tell_all

from insula.domain.manifests import Manifest
from insula.kube.caches import Cache
from insula.kube.packing import DICTIONARY_BYTES, Packer


def a_policy(home: int) -> Manifest:
    metadata = {"name": "walls", "namespace": f"insula-{home}", "resourceVersion": str(home), "labels": {}}
    rules = [{"to": [{"ipBlock": {"cidr": f"10.{number}.0.0/16"}}]} for number in range(20)]
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": rules}


def test_an_object_comes_back_as_it_was_whenever_it_was_packed() -> None:
    packer = Packer()
    packed = [packer.pack(a_policy(home)) for home in range(400)]
    assert [each.manifest() for each in packed] == [a_policy(home) for home in range(400)]


def test_objects_that_are_alike_are_kept_as_their_difference() -> None:
    packer = Packer()
    packed = [packer.pack(a_policy(home)) for home in range(400)]
    assert len(packed[0].dictionary) == 0
    assert len(packed[-1].dictionary) <= DICTIONARY_BYTES
    assert len(packed[-1].content) < len(packed[0].content) / 3


def test_a_cache_that_packs_tells_the_same() -> None:
    plain, small = Cache(), Cache(packer=Packer())
    for cache in (plain, small):
        tell_all(cache, [a_policy(home) for home in range(50)], "50")
        cache.upsert({**a_policy(7), "spec": "changed"})  # of the same version: old news
        cache.remove(a_policy(9))
    assert list(small.all()) == list(plain.all())
    assert small.get("walls", "insula-7") == a_policy(7)
