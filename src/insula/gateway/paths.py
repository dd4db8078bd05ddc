"""Which of Ollama's paths are open to a tenant. Whatever is not in the table is refused, with the reason.

Ollama serves more on the same port than a home needs: `/debug/pprof`, and the paths that create, copy, push and
delete models, which are the operator's to manage.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from insula.domain import batches


class Handling(StrEnum):
    """What the gateway does with an open path."""

    INFER = "infer"  # uses the model: admitted, streamed, accounted
    FORWARD = "forward"  # asks about a model: streamed, and no reason to wake an Ollama
    REMEMBER = "remember"  # answered from memory: clients poll these
    PULL = "pull"  # answered by the gateway: models are set in the Tenant
    BATCH = "batch"  # prompts that nobody waits for, kept by the ledger


@dataclass(frozen=True)
class Endpoint:
    """One open path. `name` is its bounded label in metrics; `openai` says whose shape an error has."""

    name: str
    handling: Handling
    openai: bool = False


_READ: Final = ("GET", "HEAD")

_EXACT: Final[dict[tuple[str, str], Endpoint]] = {
    **{(method, "/"): Endpoint("root", Handling.REMEMBER) for method in _READ},
    **{(method, "/api/version"): Endpoint("api_version", Handling.REMEMBER) for method in _READ},
    **{(method, "/api/tags"): Endpoint("api_tags", Handling.REMEMBER) for method in _READ},
    ("GET", "/api/ps"): Endpoint("api_ps", Handling.REMEMBER),
    ("POST", "/api/show"): Endpoint("api_show", Handling.FORWARD),
    ("POST", "/api/chat"): Endpoint("api_chat", Handling.INFER),
    ("POST", "/api/generate"): Endpoint("api_generate", Handling.INFER),
    ("POST", "/api/embed"): Endpoint("api_embed", Handling.INFER),
    ("POST", "/api/embeddings"): Endpoint("api_embeddings", Handling.INFER),
    ("POST", "/api/pull"): Endpoint("api_pull", Handling.PULL),
    **{(method, batches.PATH): Endpoint("api_batch", Handling.BATCH) for method in ("GET", "POST")},
    ("GET", "/v1/models"): Endpoint("v1_models", Handling.REMEMBER, openai=True),
    ("POST", "/v1/chat/completions"): Endpoint("v1_chat_completions", Handling.INFER, openai=True),
    ("POST", "/v1/completions"): Endpoint("v1_completions", Handling.INFER, openai=True),
    ("POST", "/v1/embeddings"): Endpoint("v1_embeddings", Handling.INFER, openai=True),
}
_ONE_MODEL: Final = re.compile(r"/v1/models/[A-Za-z0-9][A-Za-z0-9._:-]{0,127}(/[A-Za-z0-9][A-Za-z0-9._:-]{0,127}){0,3}")

_ONE_BATCH: Final = re.compile(batches.PATH + r"/[0-9a-f]{32}(/results)?")

_MODEL_MANAGEMENT: Final = ("/api/create", "/api/copy", "/api/delete", "/api/push", "/api/blobs")


def find(method: str, path: str) -> Endpoint | None:
    """Return the endpoint of a request, or None when the path is not open.

    Args:
        method: In upper case.
        path: As it came on the wire, without the query. It is compared undecoded: `/api/%63hat` is not `/api/chat`.
    """
    endpoint = _EXACT.get((method, path))
    if endpoint is None and method == "GET" and _ONE_MODEL.fullmatch(path):
        return Endpoint("v1_model", Handling.REMEMBER, openai=True)
    if (
        endpoint is None
        and (found := _ONE_BATCH.fullmatch(path))
        and (method == "GET" or (method == "DELETE" and not found[1]))
    ):
        return Endpoint("api_batch", Handling.BATCH)
    return endpoint


def refusal(method: str, path: str) -> str:
    """Return why a path that is not open is not, as a sentence for the caller."""
    if path.startswith(_MODEL_MANAGEMENT):
        return f"{method} {path[:64]} is not open: models are set in the Tenant (spec.ollama.models)"
    return f"{method} {path[:64]} is not open through the Insula gateway"


def is_openai(path: str) -> bool:
    """Say whether errors on this path have OpenAI's shape."""
    return path.startswith("/v1/")
