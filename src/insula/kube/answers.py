"""What the API server's answers mean: its refusals become Insula's errors, with its own words, capped."""

import json
from collections.abc import Mapping
from typing import Any, Final

from insula.domain.errors import ConflictError, InsulaError, NotFoundError, RefusedError, UnavailableError, cap
from insula.kube.requests import Request


class ExpiredError(UnavailableError):
    """The resource version asked for is no longer kept: list again."""


class BusyError(UnavailableError):
    """The API server asks to be left alone for a while.

    Args:
        message: What was asked, and the server's words.
        retry_after_s: For how many seconds at least.
    """

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message, remedy="the API server is busy; it is asked again later")
        self.retry_after_s = retry_after_s


class UnauthenticatedError(RefusedError):
    """The API server does not know who we are."""


class ForbiddenError(RefusedError):
    """The API server knows who we are, and our role does not allow this."""


class InvalidObjectError(RefusedError):
    """The API server understood the object and found it wrong."""


_BY_STATUS: Final[Mapping[int, tuple[type[InsulaError], str]]] = {
    400: (RefusedError, ""),
    401: (UnauthenticatedError, "check the token or the client certificate in the kubeconfig"),
    403: (ForbiddenError, "check the role that is bound to this identity"),
    404: (NotFoundError, ""),
    409: (ConflictError, ""),
    410: (ExpiredError, ""),
    422: (InvalidObjectError, ""),
    429: (UnavailableError, "the API server is busy; it is asked again later"),
}

# Answers after which the same request may be sent again, when the server says in how many seconds.
RETRIABLE_STATUSES: Final = frozenset({429, 503})
MAX_RETRY_AFTER_S: Final = 300.0  # a server that asks for a day is asked again all the same


def error_from(request: Request, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> InsulaError:
    """Return the error that an answer stands for.

    Args:
        request: What was asked.
        status: The HTTP status, 400 or above.
        body: The body, a Kubernetes Status if all is well.
        headers: The answer's headers, which may ask for patience.
    """
    error = error_from_status(request, {"code": status, "message": _message(body)})
    wait_s = retry_after_s(status, headers or {})
    return error if wait_s is None else BusyError(error.message, retry_after_s=wait_s)


def error_from_status(request: Request, status: Mapping[str, Any]) -> InsulaError:
    """Return the error that a Kubernetes Status object stands for; watches carry one inside their stream."""
    code = int(status.get("code") or 500)
    kind, remedy = _BY_STATUS.get(code, (UnavailableError if code >= 500 else RefusedError, ""))  # noqa: PLR2004
    message = str(status.get("message") or status.get("reason") or "no reason given")
    return kind(f"{request.verb} {request.path}: {cap(message)} ({code})", remedy=remedy)


def retry_after_s(status: int, headers: Mapping[str, str]) -> float | None:
    """Return after how many seconds to send the request again, or `None`: not at all."""
    if status not in RETRIABLE_STATUSES:
        return None
    try:
        return min(max(float(headers["Retry-After"]), 0.0), MAX_RETRY_AFTER_S)
    except (KeyError, ValueError):
        return None


def _message(body: bytes) -> str:
    text = body.decode(errors="replace")
    try:
        status = json.loads(text)
    except ValueError:
        return text
    if not isinstance(status, dict):
        return text
    # `error` is how Insula's own processes say it, behind the API server's proxy.
    return str(status.get("message") or status.get("reason") or status.get("error") or text)
