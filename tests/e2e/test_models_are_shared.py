"""Two homes with the same model out of one image: a node has one copy, and each home sees its own list alone."""

import json
from collections.abc import Iterator

import pytest

from e2e.house import LAYOUT, Home, create, insula, purge, until
from e2e.inside import ASK_WITH_KEYS
from insula.domain import names
from insula.sandbox.cluster import RELEASE_NAMESPACE, Cluster
from insula.sandbox.commands import CommandError
from insula.sandbox.layout import NODE_NAMES
from insula.sandbox.nodes import run_in_node

PLAN = "sharing"
KEEPERS = "app.kubernetes.io/component=shared-model"
WEIGHTS = "find -L /models/blobs -type f -size +1M"
SNAPSHOTS = "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs"


@pytest.fixture(scope="module")
def plan(cluster: Cluster) -> Iterator[str]:
    """The standard plan, whose homes share models."""
    spec = cluster.get("plan", "standard")["spec"] | {"modelForm": "image"}
    manifest = {"apiVersion": names.API_VERSION, "kind": "Plan", "metadata": {"name": PLAN}, "spec": spec}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    yield PLAN
    cluster.kubectl("delete", "plan", PLAN)


@pytest.fixture(scope="module")
def sharers(cluster: Cluster, plan: str, model: str) -> Iterator[tuple[Home, Home]]:
    """Two homes: one has the model, the other none yet."""
    homes = Home("sharer-one", cluster), Home("sharer-two", cluster)
    try:
        for home in homes:
            purge(home, wait=True)
        create(homes[0], "--plan", plan, "--model", model)
        create(homes[1], "--plan", plan)
        yield homes
    finally:
        for home in homes:
            purge(home, wait=False)


def in_ollama(home: Home, script: str) -> str:
    where = ("exec", "-n", home.namespace, f"deployment/{names.OLLAMA}", "--", "sh", "-c", script)
    return home.cluster.kubectl(*where).strip()


def listed(home: Home) -> list[str]:
    ((status, body),) = home.inside(ASK_WITH_KEYS, "http://ollama:11434/api/tags", home.key)
    assert status == 200
    return [model["name"] for model in body["models"]]


def copies_on_node(home: Home) -> list[str]:
    """Return the files with the weights that the node's container runtime has, each inode once."""
    blob = in_ollama(home, WEIGHTS).rpartition("/")[2]
    found = run_in_node(LAYOUT, NODE_NAMES[0], ["find", SNAPSHOTS, "-type", "f", "-name", blob, "-printf", "%i %p\n"])
    return list(dict(line.split(" ", 1) for line in found.splitlines()).values())


def test_each_home_sees_the_models_that_it_asked_for_though_the_node_has_them_all(
    sharers: tuple[Home, Home], model: str
) -> None:
    one, two = sharers
    assert listed(one) == [model]
    assert listed(two) == []


def test_a_home_that_asks_for_what_the_node_has_gets_it_without_a_copy(sharers: tuple[Home, Home], model: str) -> None:
    one, two = sharers
    wish = json.dumps({"spec": {"ollama": {"models": [model]}}})
    two.cluster.kubectl("patch", "tenant", two.name, "--type=merge", "-p", wish)
    two.wait()
    assert listed(two) == [model]
    for home in (one, two):
        claims = home.cluster.get("pvc", "-n", home.namespace)["items"]
        assert names.OLLAMA_MODELS not in [claim["metadata"]["name"] for claim in claims]
    assert len(copies_on_node(one)) == 1
    inodes = {in_ollama(home, f"stat -L -c %i $({WEIGHTS})") for home in (one, two)}
    assert len(inodes) == 1
    assert one.ask()["answer"].strip()
    assert two.ask()["answer"].strip()


@pytest.mark.parametrize(
    "script",
    [
        f"echo x >> $({WEIGHTS})",
        f"truncate -s 0 $({WEIGHTS})",
        "chmod u+w /images/0/blobs/*",
        "rm -f /images/0/blobs/*",
        "touch /images/0/blobs/another",
    ],
)
def test_no_home_can_change_what_it_shares(sharers: tuple[Home, Home], script: str) -> None:
    with pytest.raises(CommandError, match=r"Read-only file system|Permission denied|Operation not permitted"):
        in_ollama(sharers[0], script)


def test_a_damaged_copy_is_told_by_its_node(sharers: tuple[Home, Home], cluster: Cluster, model: str) -> None:
    (copy,) = copies_on_node(sharers[0])

    def flip() -> None:
        """Turn one byte of the weights over; twice is as if nothing had been."""
        offset = 100_000_000
        path = f"/proc/self/root{copy}"
        script = f"f=open('{path}','r+b'); f.seek({offset}); b=f.read(1); f.seek({offset}); f.write(bytes([b[0]^255]))"
        run_in_node(LAYOUT, NODE_NAMES[0], ["python3", "-c", script])

    def check_again() -> None:
        cluster.kubectl("delete", "pod", "-n", RELEASE_NAMESPACE, "-l", KEEPERS, "--wait=true")

    def where() -> tuple[list[str], list[str]]:
        rows = json.loads(insula("model", "list", "-o", "json").stdout)
        (row,) = (each for each in rows if each["model"] == model)
        return row["nodes"], row["damagedOn"]

    flip()
    try:
        check_again()
        until("the damage being told", lambda: where()[1] == [NODE_NAMES[0]], timeout_s=120)
    finally:
        flip()
        check_again()
    until("the copy being whole", lambda: where()[1] == [] and NODE_NAMES[0] in where()[0], timeout_s=120)
