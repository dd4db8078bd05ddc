"""How to read raw Kubernetes objects: what may be missing is missing quietly."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from insula.domain import names, times
from insula.domain.manifests import Manifest, ObjectRef


def find(objects: Mapping[ObjectRef, Manifest], kind: str, name: str) -> Manifest | None:
    """Return the object of a kind and name that is not on its way out, or None."""
    for ref, manifest in objects.items():
        if ref.kind == kind and ref.name == name and not is_leaving(manifest):
            return manifest
    return None


def pods(objects: Mapping[ObjectRef, Manifest], component: str) -> list[Manifest]:
    """Return a component's pods, those on their way out included, the oldest first."""
    found = [each for ref, each in objects.items() if ref.kind == "Pod" and labels(each).get(names.LABEL_COMPONENT)]
    ours = [each for each in found if labels(each)[names.LABEL_COMPONENT] == component]
    return sorted(ours, key=lambda pod: (str(pod["metadata"].get("creationTimestamp", "")), pod["metadata"]["name"]))


def is_leaving(manifest: Manifest) -> bool:
    """Say whether an object is being deleted."""
    return bool(manifest["metadata"].get("deletionTimestamp"))


def labels(manifest: Manifest) -> Mapping[str, str]:
    """Return an object's labels."""
    found: Mapping[str, str] = manifest["metadata"].get("labels") or {}
    return found


def annotations(manifest: Manifest) -> Mapping[str, str]:
    """Return an object's annotations."""
    found: Mapping[str, str] = manifest["metadata"].get("annotations") or {}
    return found


def tenant_id(namespace: Manifest | None) -> str:
    """Return the identity that a Namespace bears, empty if it bears none or there is no Namespace."""
    return labels(namespace).get(names.LABEL_TENANT_ID, "") if namespace else ""


def rendered_hash(manifest: Manifest) -> str:
    """Return the hash of the rendering that an object, a template or its pod was made from, empty if it has none."""
    return annotations(manifest).get(names.ANNOTATION_HASH, "")


def uid(manifest: Manifest | None) -> str:
    """Return an object's UID, empty if there is no object."""
    return str(manifest["metadata"].get("uid", "")) if manifest else ""


def status(manifest: Manifest) -> Mapping[str, Any]:
    """Return an object's status."""
    found: Mapping[str, Any] = manifest.get("status") or {}
    return found


def condition(manifest: Manifest, kind: str) -> Mapping[str, Any]:
    """Return the condition of a type, empty if the object has none."""
    conditions: Iterable[Mapping[str, Any]] = status(manifest).get("conditions") or ()
    return next((each for each in conditions if each.get("type") == kind), {})


def holds(manifest: Manifest, kind: str) -> bool:
    """Say whether a condition is true."""
    return condition(manifest, kind).get("status") == "True"


def json_object(text: str) -> Mapping[str, Any]:
    """Return the JSON object that a text holds, empty if it holds none."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def seconds_since(text: str, now: datetime) -> float:
    """Return the seconds since a written time, 0 if there is none or it lies ahead."""
    then = times.moment(text)
    return max(0.0, (now - then).total_seconds()) if then else 0.0
