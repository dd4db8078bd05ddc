"""The head of a GGUF file: what the weights are, without reading them.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (version 2 and 3, little-endian).
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from insula.domain.errors import InvalidSpecError

MAGIC: Final = b"GGUF"
STRING: Final = 8
ARRAY: Final = 9
SCALARS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
# No key or text in a head is longer; a longer one is a damaged file and would take all memory.
TEXT_LIMIT_BYTES: Final = 16 << 20

# llama.cpp's file types by number: the quantization of most tensors.
FILE_TYPES: Final = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S",
    12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 32: "BF16",
}  # fmt: skip


@dataclass(frozen=True)
class Weights:
    """What a file of weights says of itself. `parameters` counts the numbers in all tensors."""

    architecture: str
    file_type: str
    parameters: int

    @property
    def size_label(self) -> str:
        """The count as people write it, such as `268.10M`."""
        for unit, amount in (("B", 1e9), ("M", 1e6), ("K", 1e3)):
            if self.parameters >= amount:
                return f"{self.parameters / amount:.2f}{unit}"
        return str(self.parameters)


def read_weights(path: Path) -> Weights:
    """Return what the GGUF file at `path` holds.

    Raises:
        InvalidSpecError: It is no GGUF file, or damaged.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except (struct.error, UnicodeDecodeError, KeyError, ValueError) as error:
        raise InvalidSpecError(f"{path} is no whole GGUF file", remedy="fetch the weights again") from error


def _read(file: BinaryIO) -> Weights:
    if file.read(4) != MAGIC:
        raise ValueError("no magic")
    _version, tensors, pairs = struct.unpack("<IQQ", file.read(20))
    facts: dict[str, Any] = {}
    for _ in range(pairs):
        key = _text(file).decode()
        facts[key] = _value(file, *struct.unpack("<I", file.read(4)))
    parameters = 0
    for _ in range(tensors):
        _text(file)
        (dimensions,) = struct.unpack("<I", file.read(4))
        parameters += math.prod(struct.unpack(f"<{dimensions}Q", file.read(8 * dimensions)))
        file.read(12)  # type and offset
    kind = FILE_TYPES.get(facts.get("general.file_type", -1), "unknown")
    return Weights(facts["general.architecture"], kind, parameters)


def _text(file: BinaryIO) -> bytes:
    (length,) = struct.unpack("<Q", file.read(8))
    if length > TEXT_LIMIT_BYTES:
        raise ValueError(length)
    return file.read(length)


def _value(file: BinaryIO, kind: int) -> Any:
    """Read a value; arrays (vocabularies) are passed over and give None."""
    if kind == STRING:
        return _text(file).decode("utf-8", "replace")
    if kind == ARRAY:
        inner, count = struct.unpack("<IQ", file.read(12))
        if inner in SCALARS:
            file.seek(struct.calcsize(f"<{SCALARS[inner]}") * count, 1)
        else:
            for _ in range(count):
                _value(file, inner)
        return None
    layout = f"<{SCALARS[kind]}"
    return struct.unpack(layout, file.read(struct.calcsize(layout)))[0]
