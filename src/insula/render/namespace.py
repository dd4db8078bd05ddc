"""The Namespace: a tenant's walls against the API server, its identity, and the operator's memory of it."""

from typing import Final

from insula.domain import names
from insula.domain.manifests import Manifest
from insula.domain.situation import Situation

POD_SECURITY: Final = "pod-security.kubernetes.io"


def namespace(situation: Situation) -> Manifest:
    """Return the Namespace that refuses every pod outside Pod Security `restricted`."""
    told = situation.tenant.ollama.inference.to_text() if situation.tenant else ""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": names.namespace(situation.name),
            "labels": names.owned_labels(situation.name)
            | {names.LABEL_TENANT_ID: situation.tenant_id}
            | {f"{POD_SECURITY}/{mode}": "restricted" for mode in ("enforce", "audit", "warn")},
            "annotations": situation.memory.to_annotations() | ({names.ANNOTATION_INFERENCE: told} if told else {}),
        },
    }
