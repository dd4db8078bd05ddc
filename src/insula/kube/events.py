"""Tells people what happened, as Kubernetes Events; a lost Event is never a reason to fail."""

import hashlib
from datetime import datetime
from typing import Final

import structlog

from insula.domain import times
from insula.domain.errors import InsulaError, cap
from insula.domain.manifests import Manifest
from insula.kube import kinds
from insula.kube.client import Client

CONTROLLER: Final = "insula.dev/operator"
NOTE_LIMIT: Final = 1024  # characters, the API server's own limit
_HOME_OF_CLUSTER_SCOPED: Final = "default"  # Events about objects without a namespace must live there

_log = structlog.get_logger(__name__)


def event(
    regarding: Manifest, *, type_: str, reason: str, action: str, note: str, at: datetime, instance: str
) -> Manifest:
    """Return an Event.

    Args:
        regarding: The object it is about, as it was read.
        type_: `Normal` or `Warning`.
        reason: Stable CamelCase, for machines.
        action: What was being done, CamelCase.
        note: A sentence, for people; cut to what the API server takes.
        at: When it happened.
        instance: Which process says so.
    """
    metadata = regarding["metadata"]
    namespace = metadata.get("namespace", "") or _HOME_OF_CLUSTER_SCOPED
    moment = times.written_precisely(at)
    told = "\n".join((metadata.get("uid", ""), type_, reason, note, moment))
    return {
        "apiVersion": kinds.EVENT.api_version,
        "kind": kinds.EVENT.kind,
        "metadata": {
            "name": f"{metadata['name']}.{hashlib.sha256(told.encode()).hexdigest()[:16]}",
            "namespace": namespace,
        },
        "eventTime": moment,
        "reportingController": CONTROLLER,
        "reportingInstance": instance[:128],
        "action": action,
        "reason": reason,
        "type": type_,
        "note": cap(note, NOTE_LIMIT),
        "regarding": {
            "apiVersion": regarding["apiVersion"],
            "kind": regarding["kind"],
            "name": metadata["name"],
            "namespace": metadata.get("namespace", ""),
            "uid": metadata.get("uid", ""),
        },
    }


async def record(client: Client, manifest: Manifest) -> None:
    """Record an Event; log what the API server has against it."""
    try:
        await client.create(manifest)
    except InsulaError as error:
        _log.warning("event_not_recorded", reason=manifest["reason"], error=str(error))
