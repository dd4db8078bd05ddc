"""What the gateway says of models and servers by itself, in the shapes of Ollama and OpenAI."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from insula.gateway.wire import JSON_TYPE, OPENAI_TYPE

TAGS: Final = "/api/tags"
PS: Final = "/api/ps"
ROOT: Final = "/"
OPENAI_MODELS: Final = "/v1/models"

_TEXT_TYPE: Final = "text/plain; charset=utf-8"
_RUNNING: Final = b"Ollama is running"
_NOTHING_LOADED: Final = b'{"models":[]}'
# Go's time zero: when the model came stands in the volume, which nobody reads while its Ollama sleeps.
_NEVER: Final = "0001-01-01T00:00:00Z"
_REGISTRY: Final = "registry.ollama.ai/"
_LIBRARY: Final = "library/"


@dataclass(frozen=True)
class Said:
    """A whole answer as it goes to a client."""

    body: bytes
    content_type: str = JSON_TYPE
    status: int = 200


def full_name(model: str) -> str:
    """Return a model's name as Ollama compares it: short, with its tag, in small letters."""
    short = model.casefold().removeprefix(_REGISTRY).removeprefix(_LIBRARY)
    return _tagged(short)


def digests(tags: bytes) -> dict[str, str]:
    """Return the manifest digests of a list of models by their full names; empty when it is no such list."""
    return {full_name(model["model"]): str(model.get("digest", "")) for model in _models(tags)}


def asleep(path: str, pulled: Sequence[tuple[str, str]], last: bytes | None) -> Said | None:
    """Return what stands for an Ollama's answer while it sleeps; None when the gateway cannot know.

    Args:
        path: What is asked for.
        pulled: Names and digests of the models that the home's volume holds, as the operator wrote them down.
        last: What the Ollama itself answered last, None when it was not asked yet.
    """
    if path == ROOT:
        return Said(_RUNNING, _TEXT_TYPE)
    if path == PS:
        return Said(_NOTHING_LOADED)
    if path == TAGS and (pulled or last is not None):
        return Said(tags(pulled, last or b""))
    return None if last is None else Said(last)


def tags(pulled: Sequence[tuple[str, str]], last: bytes) -> bytes:
    """Return the list as Ollama told it last; what the volume holds otherwise stands in it in its place."""
    listed = {full_name(model["model"]): model for model in _models(last)}
    known = {name: model.get("digest") for name, model in listed.items()}
    held = {full_name(name): (name, digest.removeprefix("sha256:")) for name, digest in pulled}
    news = {full: _entry(name, digest) for full, (name, digest) in held.items() if known.get(full) != digest}
    return orjson.dumps({"models": list((listed | news).values())}) if news or not last else last


def openai(path: str, tags: bytes) -> Said:
    """Return the answer to GET `/v1/models` or `/v1/models/<model>` that a list of models gives."""
    models, name = _models(tags), path.removeprefix(OPENAI_MODELS).removeprefix("/")
    if not name:
        data = [_openai_model(model, str(model["model"])) for model in models]
        return Said(_openai({"object": "list", "data": data}), OPENAI_TYPE)
    found = next((model for model in models if full_name(model["model"]) == full_name(name)), None)
    if found is None:
        error = {"message": f"model '{name}' not found", "type": "api_error", "param": None, "code": None}
        return Said(_openai({"error": error}), OPENAI_TYPE, status=404)
    return Said(_openai(_openai_model(found, name)), OPENAI_TYPE)


def _tagged(name: str) -> str:
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _entry(name: str, digest: str) -> dict[str, Any]:
    tagged = _tagged(name)
    details = {
        "parent_model": "",
        "format": "",
        "family": "",
        "families": None,
        "parameter_size": "",
        "quantization_level": "",
    }
    return {
        "name": tagged,
        "model": tagged,
        "modified_at": _NEVER,
        "size": 0,
        "digest": digest,
        "details": details,
    }


def _openai_model(model: Mapping[str, Any], name: str) -> dict[str, Any]:
    owner, slash, _ = full_name(str(model["model"])).rpartition("/")
    created = _seconds(str(model.get("modified_at", "")))
    return {"id": name, "object": "model", "created": created, "owned_by": owner if slash else "library"}


def _seconds(time: str) -> int:
    try:
        return max(0, int(datetime.fromisoformat(time).timestamp()))
    except (ValueError, OverflowError):
        return 0


def _models(tags: bytes) -> list[dict[str, Any]]:
    try:
        models = orjson.loads(tags)["models"]
    except (ValueError, KeyError, TypeError):
        return []
    if not isinstance(models, list):
        return []
    return [model for model in models if isinstance(model, dict) and isinstance(model.get("model"), str)]


def _openai(document: Mapping[str, Any]) -> bytes:
    return orjson.dumps(document) + b"\n"
