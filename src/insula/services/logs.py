"""Structured logs for every door: an event name and fields, JSON where no person watches, secrets made unreadable.

Every module takes `structlog.get_logger()` and says `log.info("tenant_woken", waited_s=2.1)`.
"""

import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED: Final = "[redacted]"

# Fields whose name says that their value is a secret.
_SECRET_NAMES: Final = frozenset(
    {"authorization", "cookie", "password", "secret", "token", "access_token", "refresh_token", "api_key", "key"}
)
# Secrets by their shape, wherever they stand: a tenant's key (domain/keys.py), a bearer token, a JSON web token.
_TENANT_KEY: Final = re.compile(r"([0-9a-z]{1,16}\.[0-9a-f-]{36}\.[0-9]{1,9})\.[0-9A-Za-z_-]{16,}")
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic)\s+[0-9A-Za-z._~+/=-]{8,}")
_WEB_TOKEN: Final = re.compile(r"\beyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}")
# Each of these shapes has a dot or white space in it; most of what is logged has neither, and needs no closer look.
_PLAIN: Final = re.compile(r"[^.\s]*")
_NUMBERS: Final = (int, float, type(None))


def configure(*, json: bool | None = None, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Set up logging for the process: Insula's own events and those of libraries, in one form, on one stream.

    Args:
        json: One JSON object a line; None: JSON unless the stream is a terminal.
        level: The least level that is written: DEBUG, INFO, WARNING or ERROR.
        stream: Where lines go; None: standard error.
    """
    out = stream if stream is not None else sys.stderr
    as_json = not out.isatty() if json is None else json
    least = logging.getLevelNamesMapping()[level.upper()]
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        redact,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Processor = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[*before, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    _route_libraries(out, before, renderer, least)


@contextmanager
def context(**fields: str) -> Iterator[None]:
    """Add fields, such as `tenant` or `request_id`, to every event logged in this block and the tasks it starts."""
    with structlog.contextvars.bound_contextvars(**fields):
        yield


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Make secrets unreadable: whole values under telling names, and telling shapes anywhere else."""
    return {name: REDACTED if _tells_secret(name, value) else _clean(value) for name, value in event.items()}


def redact_text(text: str) -> str:
    """Return text without the secrets in it that can be told by their shape."""
    if _PLAIN.fullmatch(text):
        return text
    text = _TENANT_KEY.sub(rf"\1.{REDACTED}", text)
    text = _BEARER.sub(rf"\1 {REDACTED}", text)
    return _WEB_TOKEN.sub(REDACTED, text)


def _tells_secret(name: str, value: object) -> bool:
    return name.lower() in _SECRET_NAMES and bool(value)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, _NUMBERS):
        return value
    if isinstance(value, Mapping):
        return {name: REDACTED if _tells_secret(str(name), inner) else _clean(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in value]
    return redact_text(str(value))


def _route_libraries(out: TextIO, before: list[Processor], renderer: Processor, least: int) -> None:
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *before],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries' own chatter below WARNING helps nobody who has not asked for DEBUG.
    root.setLevel(least if least <= logging.DEBUG else max(least, logging.WARNING))
