"""What is sent for each verb."""

import json

import pytest

from insula.domain.errors import InvalidSpecError
from insula.domain.manifests import Manifest, ObjectRef
from insula.kube import kinds, requests

DEPLOYMENT = ObjectRef("apps/v1", "Deployment", "insula-alice", "ollama")


def a_manifest() -> Manifest:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "ollama", "namespace": "insula-alice"},
    }


def test_an_object_in_a_namespace_has_its_path() -> None:
    assert requests.get(DEPLOYMENT).path == "/apis/apps/v1/namespaces/insula-alice/deployments/ollama"


def test_the_core_group_has_a_path_of_its_own() -> None:
    assert requests.get(ObjectRef("v1", "Namespace", "", "insula-alice")).path == "/api/v1/namespaces/insula-alice"


def test_a_list_without_a_namespace_spans_all_of_them() -> None:
    request = requests.list_page(kinds.POD, selector="insula.dev/tenant")
    assert request.path == "/api/v1/pods"
    assert request.parameters["labelSelector"] == "insula.dev/tenant"


def test_a_name_cannot_leave_its_place_in_the_path() -> None:
    assert requests.get(ObjectRef("v1", "Namespace", "", "../nodes")).path == "/api/v1/namespaces/..%2Fnodes"


def test_an_apply_is_forced_and_signed() -> None:
    request = requests.apply(a_manifest())
    assert (request.method, request.verb) == ("PATCH", "apply")
    assert request.content_type == "application/apply-patch+yaml"
    assert request.parameters == {"fieldManager": "insula", "force": "true"}
    assert json.loads(request.body) == a_manifest()


def test_a_status_has_its_own_path() -> None:
    assert requests.apply(a_manifest(), subresource="status").path.endswith("/deployments/ollama/status")


def test_a_creation_goes_to_the_collection() -> None:
    request = requests.create(a_manifest())
    assert (request.method, request.path) == ("POST", "/apis/apps/v1/namespaces/insula-alice/deployments")


def test_a_deletion_names_what_was_judged() -> None:
    options = json.loads(requests.delete(DEPLOYMENT, uid="u-1", resource_version="7").body)
    assert options["preconditions"] == {"uid": "u-1", "resourceVersion": "7"}
    assert options["propagationPolicy"] == "Background"


def test_a_deletion_of_whatever_is_there_has_no_preconditions() -> None:
    assert "preconditions" not in json.loads(requests.delete(DEPLOYMENT).body)


def test_a_watch_asks_for_bookmarks_and_an_end() -> None:
    parameters = requests.watch(kinds.TENANT, since="12", timeout_s=300).parameters
    assert parameters["allowWatchBookmarks"] == "true"
    assert (parameters["resourceVersion"], parameters["timeoutSeconds"]) == ("12", "300")


def test_a_log_is_read_from_its_end() -> None:
    request = requests.logs("insula-alice", "pull-models-x", tail=5)
    assert request.path == "/api/v1/namespaces/insula-alice/pods/pull-models-x/log"
    assert request.parameters == {"tailLines": "5"}


@pytest.mark.parametrize(
    ("request_", "writes"),
    [
        (requests.get(DEPLOYMENT), False),
        (requests.list_page(kinds.POD), False),
        (requests.apply(a_manifest()), True),
        (requests.create(a_manifest()), True),
        (requests.delete(DEPLOYMENT), True),
        (requests.merge_patch(DEPLOYMENT, {}), True),
    ],
)
def test_the_fence_can_tell_writes_from_reads(request_: requests.Request, writes: bool) -> None:
    assert request_.writes is writes


def test_a_body_never_shows_in_a_log() -> None:
    assert "ollama-secret" not in repr(requests.create({**a_manifest(), "data": "ollama-secret"}))


def test_an_unknown_kind_is_said_to_be_unknown() -> None:
    with pytest.raises(InvalidSpecError, match="Gizmo"):
        requests.get(ObjectRef("v1", "Gizmo", "", "x"))


def test_an_object_of_a_namespace_needs_one() -> None:
    with pytest.raises(InvalidSpecError, match="namespace"):
        requests.get(ObjectRef("v1", "Pod", "", "x"))
