"""What a cache holds, whatever order its news come in."""

from collections.abc import Mapping

from collection import tell_all

from insula.domain.manifests import Manifest, ObjectRef
from insula.kube.caches import Cache, slim, slim_pod


def an_object(name: str, version: int, *, tenant: str = "alice", **fields: str) -> Manifest:
    labels = {"insula.dev/tenant": tenant} if tenant else {}
    metadata = {"name": name, "namespace": f"insula-{tenant}", "labels": labels, "resourceVersion": str(version)}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, **fields}


def names(objects: Mapping[ObjectRef, Manifest]) -> set[str]:
    return {manifest["metadata"]["name"] for manifest in objects.values()}


def test_objects_are_found_by_tenant() -> None:
    cache = Cache()
    tell_all(cache, [an_object("a", 1), an_object("b", 2, tenant="bob"), an_object("c", 3)], "3")
    assert names(cache.of_tenant("alice")) == {"a", "c"}
    assert set(cache.tenants()) == {"alice", "bob"}


def test_a_list_makes_the_cache_ready() -> None:
    cache = Cache()
    assert not cache.synced.is_set()
    tell_all(cache, [], "1")
    assert cache.synced.is_set()


def test_old_news_about_our_own_write_is_not_believed() -> None:
    cache = Cache()
    cache.upsert(an_object("a", 5, colour="new"))  # the answer to our write
    cache.upsert(an_object("a", 4, colour="old"))  # the watch, still on its way to it
    assert cache.get("a", "insula-alice") == an_object("a", 5, colour="new")


def test_old_news_of_what_we_deleted_ourselves_do_not_bring_it_back() -> None:
    cache, old, new = Cache(), an_object("a", 5), an_object("a", 9)
    old["metadata"]["uid"], new["metadata"]["uid"] = "old", "new"
    cache.upsert(old)
    cache.forget(old)
    cache.upsert(old)  # the watch, still on its way to the deletion
    assert len(cache) == 0
    cache.forget(old)  # which has been told of by now: nothing is left to be ignored
    cache.upsert(new)  # somebody made it again
    cache.remove({**old, "metadata": {**old["metadata"], "resourceVersion": "7"}})
    assert cache.get("a", "insula-alice") == new


def test_a_list_removes_what_it_lacks() -> None:
    cache = Cache()
    tell_all(cache, [an_object("a", 1), an_object("b", 2)], "2")
    tell_all(cache, [an_object("b", 2)], "9")
    assert names(cache.of_tenant("alice")) == {"b"}


def test_a_list_spares_what_we_wrote_after_it_was_read() -> None:
    cache = Cache()
    cache.upsert(an_object("a", 12))
    tell_all(cache, [], "10")
    assert names(cache.of_tenant("alice")) == {"a"}


def test_a_history_that_went_backwards_is_begun_anew() -> None:
    cache = Cache()
    tell_all(cache, [an_object("a", 90), an_object("b", 95)], "100")
    tell_all(cache, [an_object("a", 40, colour="restored")], "50")
    assert cache.get("a", "insula-alice") == an_object("a", 40, colour="restored")
    assert len(cache) == 1


def test_a_late_deletion_spares_the_object_made_again() -> None:
    cache = Cache()
    cache.upsert(an_object("a", 7))
    cache.remove(an_object("a", 5))
    assert len(cache) == 1


def test_an_object_may_change_its_tenant() -> None:
    cache = Cache()
    cache.upsert(an_object("a", 1))
    moved = an_object("a", 2, tenant="bob")
    moved["metadata"]["namespace"] = "insula-alice"
    cache.upsert(moved)
    assert names(cache.of_tenant("alice")) == set()
    assert names(cache.of_tenant("bob")) == {"a"}


def test_every_change_is_told_once() -> None:
    told: list[str] = []
    cache = Cache(changed=lambda manifest: told.append(manifest["metadata"]["resourceVersion"]))
    cache.upsert(an_object("a", 1))
    cache.upsert(an_object("a", 1))
    cache.upsert(an_object("a", 2))
    cache.remove(an_object("a", 3))
    assert told == ["1", "2", "2"]


def test_silence_is_measured() -> None:
    now = [0.0]
    cache = Cache(clock=lambda: now[0])
    now[0] = 40.0
    assert cache.idle_s() == 40.0
    cache.advance("5")
    assert cache.idle_s() == 0.0


def test_bookkeeping_is_not_kept() -> None:
    whole = an_object("a", 1)
    whole["metadata"]["managedFields"] = [{"manager": "insula"}]
    whole["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "x"}
    kept = slim(whole)["metadata"]
    assert "managedFields" not in kept
    assert kept["annotations"] == {"mine": "x"}
    assert "managedFields" in whole["metadata"], "the original is left as it was"


def test_of_a_pod_only_its_whereabouts_are_kept() -> None:
    pod = an_object("p", 1)
    pod["spec"] = {"nodeName": "n1", "containers": [{"name": "big"}]}
    pod["status"] = {"phase": "Running"}
    kept = slim_pod(pod)
    assert kept["spec"] == {"nodeName": "n1"}
    assert kept["status"] == {"phase": "Running"}


def test_a_list_that_broke_off_takes_nothing_away() -> None:
    cache = Cache()
    tell_all(cache, [an_object("a", 1), an_object("b", 2)], "2")
    cache.begin("5")
    cache.upsert(an_object("a", 3))
    cache.begin("6")  # the first attempt found no end
    cache.upsert(an_object("a", 3))
    assert len(cache) == 2
    cache.end()
    assert names(cache.of_tenant("alice")) == {"a"}
