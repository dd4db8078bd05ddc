"""What `insula gpu` says of nodes and pods, and the device plugin's configurations that it writes."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from cli_fakes import FakeCluster, an_object

from insula.cli import gpu
from insula.domain import names
from insula.domain.errors import NotFoundError, UsageError
from insula.domain.manifests import Manifest, ObjectRef
from insula.services import gpu_sharing, gpus

GPU = "nvidia.com/gpu"
NOTHING: Mapping[str, str] = {}


def a_node(name: str = "n1", *, capacity: int = 4, healthy: int = 4, told: Mapping[str, str] = NOTHING) -> Manifest:
    found = {f"nvidia.com/{key}": value for key, value in told.items()}
    status = {"capacity": {"cpu": "2", GPU: str(capacity)}, "allocatable": {GPU: str(healthy)}}
    return an_object("v1", "Node", name, metadata={"labels": found}, status=status)


def a_pod(name: str, *, tenant: str = "", count: int = 1, phase: str = "Running", health: str = "Healthy") -> Manifest:
    container: dict[str, Any] = {"name": "ollama", "resources": {"requests": {GPU: str(count)} if count else {}}}
    devices = [{"name": GPU, "resources": [{"resourceID": f"{name}::0", "health": health}]}]
    status = {"phase": phase, "containerStatuses": [{"name": "ollama", "allocatedResourcesStatus": devices}]}
    labels = {names.LABEL_TENANT: tenant} if tenant else {}
    spec = {"nodeName": "n1", "containers": [container]}
    return an_object("v1", "Pod", name, "some-namespace", metadata={"labels": labels}, spec=spec, status=status)


def test_a_nodes_shares_are_counted_with_who_holds_them() -> None:
    pods = [
        a_pod("a", tenant="alice"),
        a_pod("training", count=2),
        a_pod("idle", count=0),
        a_pod("old", phase="Failed"),
    ]
    (pool,) = gpus.pools([a_node()], pods)
    assert [(holder.tenant, holder.pod, holder.count) for holder in pool.holders] == [
        ("alice", "some-namespace/a", 1),
        ("", "some-namespace/training", 2),
    ]
    assert (pool.capacity, pool.healthy, pool.free) == (4, 4, 1)


def test_shares_of_a_failed_device_are_not_free_and_their_holder_is_named() -> None:
    (pool,) = gpus.pools([a_node(healthy=2)], [a_pod("a", tenant="alice", health="Unhealthy")])
    assert pool.free == 2
    assert pool.holders[0].failed == ("a::0",)
    assert "alice (failed: a::0)" in gpu.row(pool)


def test_what_nobody_told_of_a_node_is_unknown() -> None:
    (pool,) = gpus.pools([a_node()], [])
    assert (pool.sharing, pool.product, pool.config) == ("unknown", "unknown", "")
    told = {"gpu.sharing-strategy": "mps", "gpu.product": "L4", "device-plugin.config": "mps-4"}
    (pool,) = gpus.pools([a_node(told=told)], [])
    assert (pool.sharing, pool.product, pool.config) == ("mps", "L4", "mps-4")


async def test_without_gpus_no_pod_is_looked_at() -> None:
    bare = an_object("v1", "Node", "n1", status={"capacity": {"cpu": "2"}})
    assert await gpus.look(FakeCluster(bare)) == []
    assert [pool.node for pool in await gpus.look(FakeCluster(a_node(), a_pod("a")))] == ["n1"]


def test_a_pool_is_told_in_json_with_its_free_shares() -> None:
    (pool,) = gpus.pools([a_node()], [a_pod("a", tenant="alice")])
    told = gpu.as_json(pool)
    assert (told["free"], told["holders"][0]["tenant"]) == (3, "alice")


def test_each_way_of_sharing_is_a_configuration_in_the_device_plugins_own_form() -> None:
    data = gpu_sharing.configurations(shared=[4], mps=[2], mig=True, renamed=True)
    assert {key: yaml.safe_load(text) for key, text in data.items()} == {
        "whole": {"version": "v1", "flags": {"migStrategy": "none"}},
        "shared-4": {
            "version": "v1",
            "flags": {"migStrategy": "none"},
            "sharing": {
                "timeSlicing": {
                    "renameByDefault": True,
                    "resources": [{"name": GPU, "replicas": 4}],
                    "failRequestsGreaterThanOne": True,
                }
            },
        },
        "mps-2": {
            "version": "v1",
            "flags": {"migStrategy": "none"},
            "sharing": {"mps": {"renameByDefault": True, "resources": [{"name": GPU, "replicas": 2}]}},
        },
        "mig": {"version": "v1", "flags": {"migStrategy": "mixed"}},
    }


@pytest.mark.parametrize("count", [0, 1, 65])
def test_a_gpu_is_parted_into_two_at_least(count: int) -> None:
    with pytest.raises(UsageError, match="is not parted into"):
        gpu_sharing.configurations(shared=[count], mps=(), mig=False, renamed=False)


def test_a_node_gets_a_configuration_that_exists() -> None:
    assert gpu_sharing.choices(["n1=whole"], ["whole"]) == [("n1", "whole")]
    for word in ("n1", "=whole", "n1=shared-4"):
        with pytest.raises(UsageError, match="gives no node"):
            gpu_sharing.choices([word], ["whole"])


async def test_applied_again_the_config_map_is_changed_and_nodes_are_labelled() -> None:
    cluster = FakeCluster(a_node())
    for data in ({"whole": "a"}, {"whole": "b"}):
        manifests = [gpu_sharing.config_map("gpus", "plugin", data), gpu_sharing.labelled("n1", "whole")]
        await gpu_sharing.apply(cluster, manifests)
    assert cluster.objects[ObjectRef("v1", "ConfigMap", "plugin", "gpus")]["data"] == {"whole": "b"}
    labels = cluster.objects[ObjectRef("v1", "Node", "", "n1")]["metadata"]["labels"]
    assert labels["nvidia.com/device-plugin.config"] == "whole"


async def test_a_node_that_is_not_there_is_told() -> None:
    with pytest.raises(NotFoundError, match="no Node n9"):
        await gpu_sharing.apply(FakeCluster(), [gpu_sharing.labelled("n9", "whole")])
