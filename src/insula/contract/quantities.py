"""Amounts of CPU and memory as Kubernetes writes them ("500m", "1.5", "2Gi"), read into millicores and MiB."""

import re
from decimal import ROUND_CEILING, Decimal
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from insula.contract.base import Shape, marks
from insula.domain.errors import InvalidSpecError

_CPU: Final = r"[0-9]{1,6}(\.[0-9]{1,3})?|[0-9]{1,9}m"
_MEMORY: Final = r"[0-9]{1,15}(\.[0-9]{1,3})?(Ki|Mi|Gi|Ti|k|M|G|T)?"
_CPU_MESSAGE: Final = "CPU is written in cores or millicores, for example 2, 0.5 or 500m"
_MEMORY_MESSAGE: Final = "memory is written in bytes with a unit, for example 512Mi or 2Gi"
_UNIT_BYTES: Final = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}


def parse_cpu(text: str) -> int:
    """Return an amount of CPU in whole millicores, rounded up.

    Raises:
        InvalidSpecError: The text is no amount of CPU, or nothing at all.
    """
    if not re.fullmatch(_CPU, text):
        raise InvalidSpecError(f"{text!r} is no amount of CPU", remedy=_CPU_MESSAGE)
    millicores = Decimal(text[:-1]) if text.endswith("m") else Decimal(text) * 1000
    return _positive(millicores, text)


def parse_memory(text: str) -> int:
    """Return an amount of memory in whole MiB, rounded up.

    Raises:
        InvalidSpecError: The text is no amount of memory, or nothing at all.
    """
    if not re.fullmatch(_MEMORY, text):
        raise InvalidSpecError(f"{text!r} is no amount of memory", remedy=_MEMORY_MESSAGE)
    digits = text.rstrip("KMGTki")
    return _positive(Decimal(digits) * _UNIT_BYTES[text[len(digits) :]] / 2**20, text)


def _positive(amount: Decimal, text: str) -> int:
    if amount <= 0:
        raise InvalidSpecError(f"{text!r} is nothing", remedy="Write an amount above zero.")
    return int(amount.to_integral_value(rounding=ROUND_CEILING))


def _as_text(value: Any) -> Any:
    """YAML reads `cpu: 2` as a number: take it as it was written. A float may have lost digits, so it is not taken."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


CpuQuantity = Annotated[
    str,
    BeforeValidator(_as_text),
    Field(max_length=16, json_schema_extra=marks(int_or_string=True)),
    Shape(_CPU, _CPU_MESSAGE),
]
MemoryQuantity = Annotated[
    str,
    BeforeValidator(_as_text),
    Field(max_length=24, json_schema_extra=marks(int_or_string=True)),
    Shape(_MEMORY, _MEMORY_MESSAGE),
]
