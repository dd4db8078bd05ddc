import pytest
from cli_fakes import FakeCluster, a_tenant, an_object

from insula.cli import model
from insula.domain.errors import NotFoundError
from insula.ollama.names import ModelName


class NodeCluster(FakeCluster):
    """A cluster whose registry runs on a node with a port of it."""

    def __init__(self, ports: list[dict[str, int]]) -> None:
        spec = {"containers": [{"name": "registry", "ports": ports}]}
        labels = {"labels": {"app": "registry"}}
        pod = an_object(
            "v1", "Pod", "r-1", "insula-registry", metadata=labels, spec=spec, status={"hostIP": "192.0.2.1"}
        )
        super().__init__(pod)


async def test_the_sandboxs_registry_is_reached_by_its_port_on_the_node() -> None:
    cluster = NodeCluster([{"containerPort": 5000, "hostPort": 5000}])
    assert await model.find_registry(cluster) == "http://192.0.2.1:5000"


async def test_a_registry_without_a_port_on_its_node_must_be_named() -> None:
    with pytest.raises(NotFoundError, match="--registry URL"):
        await model.find_registry(NodeCluster([{"containerPort": 5000}]))


def test_models_are_listed_with_those_who_want_them_even_if_they_are_missing() -> None:
    present = [ModelName("library", "gemma3", "1b")]
    assert model.overview(present, [a_tenant("alice"), a_tenant("bob")]) == [
        {"model": "gemma3:1b", "inRegistry": True, "wantedBy": []},
        {"model": "gemma3:270m", "inRegistry": False, "wantedBy": ["alice", "bob"]},
    ]
