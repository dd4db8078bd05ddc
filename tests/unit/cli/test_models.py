import pytest
from cli_fakes import FakeCluster, a_tenant, an_object

from insula.cli import model
from insula.domain.errors import NotFoundError
from insula.ollama.names import ModelName


def a_registry(**port: int) -> FakeCluster:
    labels = {"app": "registry"}
    pod = an_object("v1", "Pod", "registry-0", "insula-registry", status={"hostIP": "192.0.2.1"})
    pod["metadata"]["labels"] = labels
    service = an_object("v1", "Service", "registry", "insula-registry", spec={"ports": [{"port": 5000, **port}]})
    return FakeCluster(pod, service)


async def test_the_sandboxs_registry_is_reached_by_its_port_on_the_node() -> None:
    assert await model.find_registry(a_registry(nodePort=30500)) == "http://192.0.2.1:30500"


async def test_a_registry_without_a_port_on_the_nodes_must_be_named() -> None:
    with pytest.raises(NotFoundError, match="--registry URL"):
        await model.find_registry(a_registry())


def test_models_are_listed_with_those_who_want_them_even_if_they_are_missing() -> None:
    present = [ModelName("library", "gemma3", "1b")]
    assert model.overview(present, [a_tenant("alice"), a_tenant("bob")]) == [
        {"model": "gemma3:1b", "inRegistry": True, "wantedBy": []},
        {"model": "gemma3:270m", "inRegistry": False, "wantedBy": ["alice", "bob"]},
    ]
