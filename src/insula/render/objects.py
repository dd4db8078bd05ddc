"""What all rendered objects share: metadata, labels, and the hash of what was rendered."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import orjson

from insula.domain import names
from insula.domain.manifests import Manifest

HASH_LENGTH: Final = 16  # hexadecimal digits: 64 bits tell two renderings of one object apart


def metadata(tenant: str, name: str, *, component: str = "", annotations: Mapping[str, str] | None = None) -> Manifest:
    """Return the metadata of an object in a tenant's namespace."""
    return {
        "name": name,
        "namespace": names.namespace(tenant),
        "labels": labels(tenant, component),
        **({"annotations": dict(annotations)} if annotations else {}),
    }


def labels(tenant: str, component: str = "") -> dict[str, str]:
    """Return the labels of an object, with its component where it has one."""
    return names.owned_labels(tenant) | ({names.LABEL_COMPONENT: component} if component else {})


def selector(tenant: str, component: str) -> dict[str, str]:
    """Return the labels by which a Deployment or Service finds its pods. Immutable: never add to them."""
    return {names.LABEL_TENANT: tenant, names.LABEL_COMPONENT: component}


def digest(value: Any) -> str:
    """Return a short hash of a JSON value, the same for the same content whatever its order."""
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()[:HASH_LENGTH]


def stamped(manifest: Manifest) -> Manifest:
    """Return the manifest with the hash of its content as an annotation.

    A field that is no longer rendered cannot be seen by comparing what is rendered; the hash shows it.
    """
    content = manifest["metadata"]
    annotations = content.get("annotations", {}) | {names.ANNOTATION_HASH: digest(manifest)}
    return manifest | {"metadata": content | {"annotations": annotations}}
