"""The errors that Insula raises: each says what is wrong, where, and what to do next.

InsulaError
├── UsageError            what a person asked for cannot be done as written
│   ├── InvalidSpecError      a Tenant, Plan or values file breaks a rule
│   └── NotFoundError         the named thing does not exist
├── ConflictError         someone else changed the object first
├── WallOpenError         a probe went through where nobody should
├── UnavailableError      a system that we depend on did not answer, or not yet
└── RefusedError          a system that we depend on answered no
"""

from typing import Final

FOREIGN_TEXT_LIMIT: Final = 256  # characters of another program's text that we repeat


def cap(text: str, limit: int = FOREIGN_TEXT_LIMIT) -> str:
    """Return foreign text cut to `limit` characters, with an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


class InsulaError(Exception):
    """The root of all errors that Insula raises on purpose.

    Args:
        message: What is wrong and where.
        remedy: What a person can do next; empty where nothing can be done.
    """

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} → {self.remedy}" if self.remedy else self.message


class UsageError(InsulaError):
    """What a person asked for cannot be done as written."""


class InvalidSpecError(UsageError):
    """A Tenant, a Plan or a values file breaks a rule.

    Args:
        message: What is wrong and where.
        remedy: What a person can do next.
        reason: The rule's stable CamelCase name, as a condition carries it.
    """

    def __init__(self, message: str, *, remedy: str = "", reason: str = "InvalidSpec") -> None:
        super().__init__(message, remedy=remedy)
        self.reason = reason


class NotFoundError(UsageError):
    """The named thing does not exist."""


class ConflictError(InsulaError):
    """Someone else changed the object first: look again."""


class WallOpenError(InsulaError):
    """A probe of a home's walls is red: a forbidden path is open, or what proves the others is shut."""


class UnavailableError(InsulaError):
    """A system that we depend on did not answer, or not yet: try again later."""


class RefusedError(InsulaError):
    """A system that we depend on answered no: trying again unchanged will not help."""
