"""What gateways hand in to the ledger, and what it tells of its book."""

from collections import defaultdict
from datetime import date
from typing import Annotated

from pydantic import Field, ValidationError

from insula.contract.base import Model
from insula.contract.resolve import explain
from insula.domain.errors import InvalidSpecError
from insula.domain.inference import Priority
from insula.domain.usage import Account, Amount, Flush

Count = Annotated[int, Field(ge=0, le=2**62)]


class Entry(Model):
    """What one home used of one model in one class on one day."""

    tenant_id: Annotated[str, Field(min_length=1, max_length=36)]
    """The home's identity."""

    tenant: Annotated[str, Field(max_length=63)]
    """Its name on that day."""

    day: date
    """The day in UTC."""

    model: Annotated[str, Field(max_length=256)]
    """The model's name, "" where an answer did not tell it."""

    priority: Priority
    """The class of the prompts."""

    gpu_ns: Count
    """Nanoseconds that the model computed."""

    prompt_tokens: Count
    """Tokens read."""

    answer_tokens: Count
    """Tokens written."""

    requests: Count
    """Requests that reached the model."""

    @property
    def account(self) -> Account:
        """What it is booked under."""
        return Account(self.tenant_id, self.tenant, self.day, self.model, self.priority)

    @property
    def amount(self) -> Amount:
        """How much it is."""
        return Amount(self.gpu_ns, self.prompt_tokens, self.answer_tokens, self.requests)


class HandedIn(Model):
    """A flush of one gateway."""

    writer: Annotated[str, Field(min_length=1, max_length=64)]
    """One run of one process."""

    sequence: Annotated[int, Field(ge=1, le=2**31 - 1)]
    """Which flush of that writer's."""

    entries: Annotated[tuple[Entry, ...], Field(max_length=100_000)]
    """What is to be booked."""

    def to_domain(self) -> Flush:
        """Return the same as sums."""
        sums: dict[Account, Amount] = defaultdict(Amount)
        for entry in self.entries:
            sums[entry.account] += entry.amount
        return Flush(self.writer, self.sequence, dict(sums))


class Usage(Model):
    """A part of the book."""

    entries: tuple[Entry, ...]
    """Oldest first."""


def flush_from_json(body: bytes) -> Flush:
    """Read a flush.

    Raises:
        InvalidSpecError: It is none.
    """
    try:
        return HandedIn.model_validate_json(body).to_domain()
    except ValidationError as error:
        raise InvalidSpecError(f"this is no flush: {explain(error)}") from error


def usage_from_json(body: bytes) -> list[tuple[Account, Amount]]:
    """Read a part of the book.

    Raises:
        InvalidSpecError: It is none.
    """
    try:
        return [(entry.account, entry.amount) for entry in Usage.model_validate_json(body).entries]
    except ValidationError as error:
        raise InvalidSpecError(f"the ledger's answer is none that this insula knows: {explain(error)}") from error
