"""Find what the gateway wrote about a tenant's request: its log has one JSON line for each."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from insula.domain.manifests import Manifest

GATEWAY_LABELS: Final = {"app.kubernetes.io/name": "insula", "app.kubernetes.io/component": "gateway"}
CHAT: Final = "/api/chat"  # the path that Home Assistant's agent talks to
TAIL_LINES: Final = 2000  # of each gateway: minutes at a family's pace, seconds at a company's
NANOSECONDS: Final = 1e9  # Ollama counts its durations in them


class Logs(Protocol):
    """What tracing needs from Kubernetes."""

    async def list(
        self, api_version: str, kind: str, *, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        """Return the objects of a kind that bear all the labels."""

    async def logs(self, namespace: str, pod: str, *, tail: int) -> str:
        """Return the last `tail` lines of a pod's log."""


@dataclass(frozen=True)
class Trace:
    """One request as the gateway saw it; counts are tokens, times seconds; None where Ollama did not say."""

    request_id: str
    model: str
    model_digest: str
    eval_count: int | None
    prompt_eval_count: int | None
    gateway_seconds: float | None
    load_seconds: float | None
    prompt_eval_seconds: float | None
    eval_seconds: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return asdict(self)


async def requests(cluster: Logs, tenant: str) -> list[Trace]:
    """Return the tenant's latest chats, oldest first, as far back as the gateways' last lines go."""
    lines: list[str] = []
    for pod in await cluster.list("v1", "Pod", labels=GATEWAY_LABELS):
        metadata = pod["metadata"]
        text = await cluster.logs(metadata["namespace"], metadata["name"], tail=TAIL_LINES)
        lines.extend(text.splitlines())
    return find(lines, tenant)


def find(lines: Iterable[str], tenant: str) -> list[Trace]:
    """Return the `request_done` lines of a tenant's chats, oldest first; other lines are passed over."""
    entries = [entry for entry in map(_parse, lines) if _is_chat_of(entry, tenant)]
    return [_trace(entry) for entry in sorted(entries, key=_moment)]


def _parse(line: str) -> Mapping[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _is_chat_of(entry: Mapping[str, Any], tenant: str) -> bool:
    return entry.get("event") == "request_done" and entry.get("tenant") == tenant and entry.get("path") == CHAT


def _moment(entry: Mapping[str, Any]) -> float:
    try:
        return datetime.fromisoformat(str(entry.get("timestamp", ""))).timestamp()
    except ValueError:
        return 0.0


def _trace(entry: Mapping[str, Any]) -> Trace:
    return Trace(
        request_id=str(entry.get("request_id", "")),
        model=str(entry.get("model", "")),
        model_digest=str(entry.get("model_digest") or ""),
        eval_count=entry.get("eval_count"),
        prompt_eval_count=entry.get("prompt_eval_count"),
        gateway_seconds=entry.get("seconds"),
        load_seconds=_seconds(entry, "load_duration"),
        prompt_eval_seconds=_seconds(entry, "prompt_eval_duration"),
        eval_seconds=_seconds(entry, "eval_duration"),
    )


def _seconds(entry: Mapping[str, Any], key: str) -> float | None:
    value = entry.get(key)
    return value / NANOSECONDS if isinstance(value, int | float) else None
