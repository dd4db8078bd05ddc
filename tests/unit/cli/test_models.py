import pytest
from cli_fakes import FakeCluster, a_tenant, an_object

from insula.cli import model
from insula.domain import names
from insula.domain.errors import NotFoundError
from insula.domain.manifests import Manifest
from insula.domain.models import ModelImage
from insula.services import models
from insula.services.models import Stock


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


def a_keeper(node: str, *, ready: bool = True, said: str = "") -> Manifest:
    pod = an_object("v1", "Pod", f"keeper-{node}", "insula-system", spec={"nodeName": node})
    pod["metadata"]["annotations"] = {"insula.dev/model": "gemma3:270m"}
    ended = {"lastState": {"terminated": {"exitCode": 1, "message": said}}} if said else {}
    pod["status"] = {
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        "containerStatuses": [{"name": "keep", **ended}],
    }
    return pod


def an_ollama(tenant: str, node: str) -> Manifest:
    pod = an_object("v1", "Pod", f"ollama-{tenant}", f"insula-{tenant}", spec={"nodeName": node})
    pod["metadata"]["labels"] = {names.LABEL_TENANT: tenant, names.LABEL_COMPONENT: names.OLLAMA}
    pod["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
    return pod


SHARED = (ModelImage("gemma3:270m", "registry.test/x@sha256:1", "sha256:2", 253),)


def test_models_are_listed_with_those_who_want_them_even_if_they_are_missing() -> None:
    rows = models.overview(Stock({"gemma3:1b": 7}), (), [a_tenant("alice"), a_tenant("bob")], [])
    assert [(row["model"], row["inRegistry"], row["wantedBy"]) for row in rows] == [
        ("gemma3:1b", True, []),
        ("gemma3:270m", False, ["alice", "bob"]),
    ]


def test_a_models_size_is_the_registrys_or_else_what_the_platform_says() -> None:
    rows = models.overview(Stock({"gemma3:1b": 7}), SHARED, [], [])
    assert [(row["sizeBytes"], row["shared"]) for row in rows] == [(7, False), (253, True)]


def test_a_model_is_on_the_nodes_that_keep_it_and_on_those_of_homes_that_have_it() -> None:
    tenant = a_tenant("alice")
    tenant["status"]["models"] = [{"name": "gemma3:270m", "digest": "sha256:2"}]
    (row,) = models.overview(Stock(), SHARED, [tenant], [a_keeper("n1"), an_ollama("alice", "n2")])
    assert row["nodes"] == ["n1", "n2"]


def test_a_node_whose_copy_is_damaged_is_told_apart() -> None:
    keeper = a_keeper("n1", ready=False, said="sha256-5f: FAILED")
    (row,) = models.overview(Stock(), SHARED, [], [keeper, a_keeper("n2")])
    assert (row["nodes"], row["damagedOn"]) == (["n2"], ["n1"])


def test_a_keeper_that_ended_for_another_reason_found_no_damage() -> None:
    (row,) = models.overview(Stock(), SHARED, [], [a_keeper("n1", ready=False, said="killed")])
    assert row["damagedOn"] == []


def test_what_no_tenant_wants_and_the_platform_does_not_name_is_unused() -> None:
    stock = Stock({"gemma3:270m": 1, "old:1b": 2, "qwen3:8b": 3}, frozenset({"gemma3:270m", "older:1b"}))
    assert models.unused(stock, SHARED, [a_tenant("alice", models=["qwen3:8b"])]) == ["old:1b", "older:1b"]


def test_progress_tells_each_tenth_once(capsys: pytest.CaptureFixture[str]) -> None:
    told = model._Tenths()
    for done in range(0, 1001, 7):
        told(done, 1000)
    told(1000, 1000)
    assert capsys.readouterr().err.split() == [word for tenth in range(10, 101, 10) for word in (str(tenth), "%")]
