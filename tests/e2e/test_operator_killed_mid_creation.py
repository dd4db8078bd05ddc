"""An operator that is killed while it makes a home leaves nothing half done: the next one goes on."""

from collections.abc import Callable

from e2e.house import MODEL, Home, insula, until
from insula.domain import names
from insula.sandbox.cluster import RELEASE_NAMESPACE

OPERATOR = "app.kubernetes.io/component=operator"


def operators(home: Home) -> set[str]:
    pods = home.cluster.get("pods", "-n", RELEASE_NAMESPACE, "-l", OPERATOR)["items"]
    return {pod["metadata"]["uid"] for pod in pods}


def test_a_creation_is_completed_by_the_operators_that_come_after(model: str, a_place: Callable[[str], Home]) -> None:
    home = a_place("survivor")
    before = operators(home)
    assert len(before) == 2
    insula("tenant", "create", home.name, "--owner", "survivor@example.com", "--model", model)
    until("the home being begun", lambda: home.has_namespace() and home.pods(names.HOME_ASSISTANT), every_s=0.1)
    kill = ("delete", "pods", "-n", RELEASE_NAMESPACE, "-l", OPERATOR, "--grace-period=0", "--force", "--wait=false")
    home.cluster.kubectl(*kill)
    assert home.condition("Ready").get("status") != "True"
    home.wait()
    assert operators(home).isdisjoint(before)
    answer = home.ask()
    assert answer["answer"].strip()
    assert answer["gateway"]["model"] == MODEL
