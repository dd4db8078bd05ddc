"""What to send for each verb: pure, so that every rule of the API's HTTP is tested without a server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import quote

import orjson

from insula.domain.errors import InvalidSpecError
from insula.domain.manifests import Manifest, ObjectRef, reference
from insula.domain.names import FIELD_MANAGER
from insula.kube import kinds
from insula.kube.kinds import Kind

LIST_PAGE: Final = 100  # objects in one answer; bounds the memory that a list takes on both sides

_JSON: Final = "application/json"
_MERGE_PATCH: Final = "application/merge-patch+json"
_APPLY: Final = "application/apply-patch+yaml"  # JSON is YAML


@dataclass(frozen=True)
class Request:
    """One HTTP request to the API server. `verb` and `resource` name it in metrics as Kubernetes' own do."""

    verb: str
    resource: str
    method: str
    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    content_type: str = ""
    body: bytes = field(default=b"", repr=False)  # may hold a Secret
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # may hold a key

    @property
    def writes(self) -> bool:
        """Say whether the request changes something."""
        return self.method != "GET"


def path_of(kind: Kind, namespace: str = "", name: str = "", subresource: str = "") -> str:
    """Return the path of a collection or, with a name, of one object. No namespace means all of them."""
    if name and kind.namespaced and not namespace:
        raise InvalidSpecError(f"{kind.kind} {name} needs a namespace")
    where = f"/namespaces/{quote(namespace, safe='')}" if kind.namespaced and namespace else ""
    what = f"/{quote(name, safe='')}" if name else ""
    return f"{kind.root}{where}/{kind.plural}{what}" + (f"/{subresource}" if subresource else "")


def get(ref: ObjectRef) -> Request:
    """Return the request that reads one object."""
    kind = kinds.of(ref.api_version, ref.kind)
    return Request("get", kind.plural, "GET", path_of(kind, ref.namespace, ref.name))


def list_page(kind: Kind, *, namespace: str = "", selector: str = "", fields: str = "", resume: str = "") -> Request:
    """Return the request that reads one page of a collection; `resume` is the token that the page before gave."""
    parameters = {"limit": str(LIST_PAGE), **_selection(selector, fields)}
    if resume:
        parameters["continue"] = resume
    return Request("list", kind.plural, "GET", path_of(kind, namespace), parameters)


def watch(
    kind: Kind, *, since: str, timeout_s: int, namespace: str = "", selector: str = "", fields: str = ""
) -> Request:
    """Return the request that streams changes after resource version `since`, bookmarks included."""
    parameters = {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": since,
        "timeoutSeconds": str(timeout_s),
        **_selection(selector, fields),
    }
    return Request("watch", kind.plural, "GET", path_of(kind, namespace), parameters)


def apply(manifest: Manifest, *, manager: str = FIELD_MANAGER, subresource: str = "") -> Request:
    """Return the server-side apply of a manifest.

    It is forced: fields in the manifest are taken over from whoever set them, fields not in it stay with their
    managers, and fields that we once set and no longer name are removed.
    """
    ref = reference(manifest)
    kind = kinds.of(ref.api_version, ref.kind)
    parameters = {"fieldManager": manager, "force": "true"}
    path = path_of(kind, ref.namespace, ref.name, subresource)
    return Request("apply", kind.plural, "PATCH", path, parameters, _APPLY, _encode(manifest))


def create(manifest: Manifest, *, dry_run: bool = False) -> Request:
    """Return the creation of a manifest, which fails when the name is taken; a dry run is judged and not stored."""
    ref = reference(manifest)
    kind = kinds.of(ref.api_version, ref.kind)
    path = path_of(kind, ref.namespace)
    parameters = {"fieldManager": FIELD_MANAGER, **({"dryRun": "All"} if dry_run else {})}
    return Request("create", kind.plural, "POST", path, parameters, _JSON, _encode(manifest))


def access_review(user: str, groups: Sequence[str], attributes: Mapping[str, str]) -> Request:
    """Return the question whether somebody may do something; nothing is stored.

    Args:
        user: Who.
        groups: What that one belongs to.
        attributes: `verb`, `resource`, and where given `group`, `namespace`, `name`, `subresource`.
    """
    kind = kinds.ACCESS_REVIEW
    spec = {"user": user, "groups": list(groups), "resourceAttributes": dict(attributes)}
    body = _encode({"apiVersion": kind.api_version, "kind": kind.kind, "spec": spec})
    return Request("create", kind.plural, "POST", path_of(kind), {}, _JSON, body)


def delete(ref: ObjectRef, *, uid: str = "", resource_version: str = "", policy: str = "Background") -> Request:
    """Return the deletion of an object.

    Args:
        ref: The object.
        uid: Delete only this very object, not one made again under its name; empty: whichever is there.
        resource_version: Delete only what we judged; empty: whatever it has become.
        policy: What becomes of its dependents, such as a Job's pods.
    """
    kind = kinds.of(ref.api_version, ref.kind)
    options: Manifest = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy}
    preconditions = {"uid": uid, "resourceVersion": resource_version}
    if given := {key: value for key, value in preconditions.items() if value}:
        options["preconditions"] = given
    path = path_of(kind, ref.namespace, ref.name)
    return Request("delete", kind.plural, "DELETE", path, {}, _JSON, _encode(options))


def merge_patch(ref: ObjectRef, patch: Mapping[str, Any], *, subresource: str = "") -> Request:
    """Return the JSON merge patch of an object; a `metadata.resourceVersion` in it makes it conditional."""
    kind = kinds.of(ref.api_version, ref.kind)
    path = path_of(kind, ref.namespace, ref.name, subresource)
    parameters = {"fieldManager": FIELD_MANAGER}
    return Request("patch", kind.plural, "PATCH", path, parameters, _MERGE_PATCH, _encode(patch))


def logs(namespace: str, pod: str, *, container: str = "", tail: int = 0, follow: bool = False) -> Request:
    """Return the request that reads a container's log: its last `tail` lines, 0 for all of them."""
    parameters = {"container": container, "tailLines": str(tail) if tail else "", "follow": "true" if follow else ""}
    path = path_of(kinds.POD, namespace, pod, "log")
    return Request("get", "pods/log", "GET", path, {key: value for key, value in parameters.items() if value})


def through(
    target: str,
    path: str,
    *,
    resource: Literal["services", "pods"] = "services",
    method: str = "GET",
    parameters: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> Request:
    """Return a request that the API server passes on to a Service or a pod, for whoever may use its `proxy`.

    Args:
        target: "namespace/name:port"; a Service's port by its name, a pod's by its number.
        resource: Which of the two it is.
        path: The path there. The server's audit log keeps it, so no secret belongs into it; headers it does not keep.
        method: The HTTP method.
        parameters: The query.
        headers: What the target is told besides.
        body: What it is sent.
    """
    namespace, _, name = target.partition("/")
    full = f"/api/v1/namespaces/{quote(namespace, safe='')}/{resource}/{quote(name, safe=':')}/proxy{path}"
    return Request("proxy", f"{resource}/proxy", method, full, parameters or {}, "", body, headers or {})


def _selection(selector: str, fields: str) -> dict[str, str]:
    selection = {"labelSelector": selector, "fieldSelector": fields}
    return {key: value for key, value in selection.items() if value}


def _encode(value: Mapping[str, Any]) -> bytes:
    return orjson.dumps(value)
