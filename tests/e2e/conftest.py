"""The running sandbox and the tenants that live in it.

`make e2e` brings the sandbox up before. Alice and Bob stay when the tests end, so that a second run finds them warm;
all others go with their data.
"""

import json
import os
from collections.abc import Callable, Iterator

import pytest

from e2e.arrival import Arrival
from e2e.house import LAYOUT, MODEL, Home, create, insula, purge
from insula.sandbox.builds import product
from insula.sandbox.builds.store import Store
from insula.sandbox.cluster import Cluster
from insula.sandbox.layout import NODE_NAMES


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The sandbox's cluster, up."""
    status = insula("sandbox", "status", check=False)
    if status.returncode:
        pytest.fail(
            f"the sandbox is not up; run `insula sandbox up` first:\n{status.stdout}{status.stderr}", pytrace=False
        )
    # Use cases that run in this process speak to the sandbox too, whatever cluster this person is logged in to.
    os.environ["KUBECONFIG"] = str(LAYOUT.kubeconfig)
    return Cluster(LAYOUT, LAYOUT.state / "bin")


@pytest.fixture(scope="session")
def model(cluster: Cluster) -> str:
    """A small model that the sandbox's registry has."""
    known = json.loads(insula("model", "list", "-o", "json").stdout)
    if not any(each["model"] == MODEL and each["inRegistry"] for each in known):
        gguf = Store(LAYOUT.cache).path(product.model) / product.MODEL_FILE
        insula("model", "add", MODEL, "--gguf", str(gguf))
    return MODEL


def settled(cluster: Cluster, name: str, model: str) -> Home:
    """Return a tenant that is awake and ready, made if this sandbox has none of the name."""
    home = Home(name, cluster)
    if home.exists():
        insula("tenant", "resume", name, "--wait")
    else:
        create(home, "--model", model)
    return home


@pytest.fixture(scope="session")
def alice(cluster: Cluster, model: str) -> Home:
    """A tenant who talks to her home."""
    return settled(cluster, "alice", model)


@pytest.fixture(scope="session")
def bob(cluster: Cluster, model: str) -> Home:
    """Another one, beside her."""
    return settled(cluster, "bob", model)


@pytest.fixture(scope="session")
def arrival(cluster: Cluster, model: str) -> Iterator[Arrival]:
    """How a newcomer's home was made, and what knocked at it meanwhile."""
    seen = Arrival(Home("newcomer", cluster))
    purge(seen.home, wait=True)
    try:
        seen.watch(str(LAYOUT.node_address(NODE_NAMES[0])))
        yield seen
    finally:
        purge(seen.home, wait=False)


@pytest.fixture(scope="session")
def newcomer(arrival: Arrival) -> Home:
    """A tenant who goes when the tests end: do with this home what you like, but leave it ready."""
    return arrival.home


@pytest.fixture
def a_place(cluster: Cluster) -> Iterator[Callable[[str], Home]]:
    """Gives names for tenants that a test makes itself; nothing of them is there before or stays afterwards."""
    given: list[Home] = []

    def give(name: str) -> Home:
        home = Home(name, cluster)
        purge(home, wait=True)
        given.append(home)
        return home

    yield give
    for home in given:
        purge(home, wait=False)
