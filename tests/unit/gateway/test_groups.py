from gateway_house import ALICE, a_namespace, a_slice

from insula.domain.inference import Inference
from insula.gateway.tenants import TenantRoute, WatchedDirectory


def a_route(*, node: str = "", inference: Inference | None = None) -> TenantRoute:
    directory = WatchedDirectory()
    directory.put_namespace(a_namespace("alice", ALICE, inference=inference))
    manifest = a_slice("alice", "10.0.0.1")
    if node:
        manifest["endpoints"][0]["nodeName"] = node
    directory.put_slice(manifest)
    route = directory.find(ALICE)
    assert route is not None
    return route


def test_homes_of_a_node_share_their_turns() -> None:
    assert a_route(node="n1").group == "node/n1"


def test_a_home_on_devices_of_its_own_has_its_own_turns() -> None:
    assert a_route(node="n1", inference=Inference(alone=True)).group == f"home/{ALICE}"


def test_a_home_whose_node_is_not_known_waits_for_itself_alone() -> None:
    assert a_route().group == f"home/{ALICE}"
