"""The layout: names and addresses of sandboxes that never meet."""

import itertools
from pathlib import Path

import pytest

from insula.domain.errors import UsageError
from insula.sandbox.layout import NODE_NAMES, SANDBOX_NAMES, Layout

LAYOUTS = [Layout.named(name, {}) for name in SANDBOX_NAMES]


def test_people_find_the_sandbox_at_its_published_addresses() -> None:
    layout = Layout.default({})
    assert str(layout.bridge_address) == "10.99.0.1"
    assert [str(layout.node_address(node)) for node in NODE_NAMES] == ["10.99.0.11", "10.99.0.12", "10.99.0.13"]
    assert layout.api_server == "https://10.99.0.11:6443"
    assert str(layout.cluster_dns) == "10.96.0.10"
    assert layout.kubeconfig == Path("/var/lib/insula/sandbox/kubeconfig")


def test_environment_moves_state_and_cache() -> None:
    layout = Layout.default({"INSULA_SANDBOX_STATE": "/data/s", "INSULA_CACHE": "/data/c"})
    assert (layout.state, layout.cache) == (Path("/data/s"), Path("/data/c"))


def test_only_the_sandbox_for_people_is_moved() -> None:
    assert Layout.named("scratch", {"INSULA_SANDBOX_STATE": "/data/s"}).state == Path("/var/lib/insula/scratch")


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(LAYOUTS, 2)))
def test_two_sandboxes_share_nothing_but_the_cache(one: Layout, other: Layout) -> None:
    assert one.state != other.state
    assert one.bridge != other.bridge
    assert not one.network.overlaps(other.network)
    assert not {one.host_name(node) for node in NODE_NAMES} & {other.host_name(node) for node in NODE_NAMES}
    assert one.cache == other.cache


@pytest.mark.parametrize("layout", LAYOUTS)
def test_networks_of_one_sandbox_are_apart(layout: Layout) -> None:
    for one, other in itertools.combinations((layout.network, layout.pod_cidr, layout.service_cidr), 2):
        assert not one.overlaps(other)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_names_of_links_fit_into_what_linux_allows(layout: Layout) -> None:
    assert all(len(layout.link(node)) <= 15 for node in NODE_NAMES)


def test_sandbox_knows_its_own_nodes_from_its_neighbours() -> None:
    main, scratch = LAYOUTS
    assert main.owns("insula-n1")
    assert not main.owns("insula-scratch-n1")
    assert scratch.owns("insula-scratch-n1")
    assert main.neighbours({}) == [scratch]


def test_unknown_sandboxes_and_nodes_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="sandbox, scratch"):
        Layout.named("castle", {})
    with pytest.raises(UsageError, match="n1, n2, n3"):
        LAYOUTS[0].node_address("n9")
