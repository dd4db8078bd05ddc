"""Which nodes a sandbox is to have, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from insula.domain.errors import NotFoundError, RefusedError, UsageError
from insula.sandbox import workers
from insula.sandbox.cluster import Cluster
from insula.sandbox.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return replace(Layout.named("scratch", {}), state=tmp_path)


def with_nodes(layout: Layout, *names: str) -> Layout:
    for name in names:
        layout.node(name).root.mkdir(parents=True)
    return layout


@pytest.mark.parametrize(
    ("known", "count", "expected"),
    [
        ((), None, ("n1",)),
        ((), 3, ("n1", "n2", "n3")),
        (("n1",), None, ("n1",)),
        (("n1",), 2, ("n1", "n2")),
        (("n1", "n2"), None, ("n1", "n2")),
        (("n1", "n2"), 2, ("n1", "n2")),
        (("n1", "n3"), None, ("n1", "n3")),
        (("n1", "n3"), 2, ("n1", "n3")),
        (("n1", "n3"), 3, ("n1", "n2", "n3")),
    ],
)
def test_up_adds_the_nodes_that_are_missing_and_keeps_the_others(
    layout: Layout, known: tuple[str, ...], count: int | None, expected: tuple[str, ...]
) -> None:
    assert workers.chosen(with_nodes(layout, *known), count) == expected


def test_up_takes_no_node_away_but_says_how(layout: Layout) -> None:
    with pytest.raises(RefusedError, match="insula sandbox node remove n2"):
        workers.chosen(with_nodes(layout, "n1", "n2"), 1)


def test_control_plane_is_not_stopped_by_the_way(layout: Layout) -> None:
    with pytest.raises(RefusedError, match="--force"):
        workers.stop(Cluster(with_nodes(layout, "n1"), layout.state), "n1")


def test_control_plane_is_not_removed(layout: Layout) -> None:
    with pytest.raises(RefusedError, match="insula sandbox down"):
        workers.remove(Cluster(with_nodes(layout, "n1"), layout.state), "n1")


def test_a_node_that_the_sandbox_lacks_is_not_found(layout: Layout) -> None:
    with pytest.raises(NotFoundError, match="no node n2"):
        workers.stop(Cluster(with_nodes(layout, "n1"), layout.state), "n2")


def test_a_name_that_no_node_bears_is_refused_with_those_that_may_be(layout: Layout) -> None:
    with pytest.raises(UsageError, match="n1, n2, n3"):
        workers.start(Cluster(with_nodes(layout, "n1"), layout.state), "n9")


def test_nodes_of_a_sandbox_without_a_cluster_are_told_as_stopped(layout: Layout) -> None:
    cluster = Cluster(with_nodes(layout, "n1", "n2"), layout.state)
    assert workers.states(cluster) == {"n1": "stopped", "n2": "stopped"}
