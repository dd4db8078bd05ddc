"""The errors that a caller gets, their statuses, and the two shapes that clients understand.

Home Assistant reads 401 and 403 as "ask for a new key", 429 and 5xx as "try later", any other 4xx as a lasting fault.
"""

import json

from insula.domain.errors import InsulaError


class GatewayError(InsulaError):
    """An answer that the gateway gives itself.

    Args:
        message: A sentence for the caller.
        retry_after_s: When to come again, in seconds; None: do not.
        tenant: The tenant that is concerned, for the log; "" if unknown.
    """

    status = 500
    openai_type = "api_error"
    openai_code: str | None = None

    def __init__(self, message: str, *, retry_after_s: int | None = None, tenant: str = "") -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.tenant = tenant


class BadRequestError(GatewayError):
    """The request cannot be understood."""

    status = 400
    openai_type = "invalid_request_error"


class UnauthorizedError(GatewayError):
    """No key, or none that is in force."""

    status = 401
    openai_type = "invalid_request_error"
    openai_code = "invalid_api_key"


class TooManyFailuresError(GatewayError):
    """False keys come from one address faster than anybody makes mistakes."""

    status = 429
    openai_type = "rate_limit_error"
    openai_code = "rate_limit_exceeded"


class ForbiddenError(GatewayError):
    """The key is true, but this is not open to tenants."""

    status = 403
    openai_type = "permission_error"


class TooLargeError(GatewayError):
    """The request's body is longer than the gateway forwards."""

    status = 413
    openai_type = "invalid_request_error"


class QuotaError(GatewayError):
    """The home has used what its plan gives it for the day."""

    status = 429
    openai_type = "insufficient_quota"
    openai_code = "insufficient_quota"


class TooManyError(GatewayError):
    """More of this home's requests wait than one home may have waiting."""

    status = 429
    openai_type = "rate_limit_error"
    openai_code = "rate_limit_exceeded"


class BusyError(GatewayError):
    """More requests wait than anybody would wait for."""

    status = 503
    openai_type = "service_unavailable_error"


class SlowRequestError(GatewayError):
    """The request's body did not come in time."""

    status = 408
    openai_type = "invalid_request_error"


class UpstreamError(GatewayError):
    """The tenant's Ollama broke off before it answered."""

    status = 502


class OllamaRefusedError(GatewayError):
    """The tenant's Ollama refused a prompt whose answer had begun already."""

    status = 502


class NotReadyError(GatewayError):
    """The tenant's Ollama, or the gateway itself, is not ready yet."""

    status = 503
    openai_type = "service_unavailable_error"


class AsleepError(NotReadyError):
    """The tenant's Ollama sleeps, and did not wake in reasonable time."""


def body(error: GatewayError, *, openai: bool) -> bytes:
    """Return the body of an error: `{"error": "…"}` as Ollama writes it, or OpenAI's object."""
    if not openai:
        return json.dumps({"error": error.message}, ensure_ascii=False).encode()
    document = {"message": error.message, "type": error.openai_type, "param": None, "code": error.openai_code}
    return json.dumps({"error": document}, ensure_ascii=False).encode()


def headers(error: GatewayError) -> dict[str, str]:
    """Return the headers that belong to an error."""
    extra = {}
    if error.retry_after_s is not None:
        extra["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, UnauthorizedError):
        extra["WWW-Authenticate"] = 'Bearer realm="insula"'
    return extra
