"""What homes have used of the models: amounts, and what they are booked under."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, TypeAlias

from insula.domain.inference import Priority

NS_PER_S: Final = 1_000_000_000


@dataclass(frozen=True)
class Account:
    """What an amount is booked under. `day` is UTC's; `tenant` is the home's name on that day."""

    tenant_id: str
    tenant: str
    day: date
    model: str
    priority: Priority


@dataclass(frozen=True)
class Amount:
    """What was used: whole nanoseconds of computing, so that sums are exact, tokens, and requests."""

    gpu_ns: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    requests: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(
            self.gpu_ns + other.gpu_ns,
            self.prompt_tokens + other.prompt_tokens,
            self.answer_tokens + other.answer_tokens,
            self.requests + other.requests,
        )

    @property
    def gpu_seconds(self) -> float:
        """The nanoseconds as seconds."""
        return self.gpu_ns / NS_PER_S


Sums: TypeAlias = Mapping[Account, Amount]
"""Amounts by what they are booked under."""


@dataclass(frozen=True)
class Flush:
    """Sums that a writer hands in together, once.

    Attributes:
        writer: Who: one run of one process.
        sequence: Which one of that writer's, from 1. A flush that comes again is not booked again.
        sums: What is to be booked.
    """

    writer: str
    sequence: int
    sums: Sums

    def to_document(self) -> dict[str, Any]:
        """Return it as `contract.bookings` reads it; here, because a gateway carries no pydantic."""
        entries = [document(account, amount) for account, amount in self.sums.items()]
        return {"writer": self.writer, "sequence": self.sequence, "entries": entries}


def document(account: Account, amount: Amount) -> dict[str, Any]:
    """Return one entry of the book as JSON has it."""
    return {
        "tenantId": account.tenant_id,
        "tenant": account.tenant,
        "day": account.day.isoformat(),
        "model": account.model,
        "priority": account.priority.value,
        "gpuNs": amount.gpu_ns,
        "promptTokens": amount.prompt_tokens,
        "answerTokens": amount.answer_tokens,
        "requests": amount.requests,
    }
