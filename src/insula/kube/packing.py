"""Keeps objects small: homes are alike, so an object is kept as what tells it from the first ones of its kind.

A home has about forty objects. As Python values they take a quarter of a megabyte; packed, a thirtieth of that.
"""

import zlib
from dataclasses import dataclass
from typing import Final

import orjson

from insula.domain.manifests import Manifest

DICTIONARY_BYTES: Final = 32 * 1024  # deflate looks no further back
LEVEL: Final = 1


@dataclass(frozen=True, slots=True)
class Packed:
    """One object, packed against a dictionary that it shares with others."""

    content: bytes
    dictionary: bytes

    def manifest(self) -> Manifest:
        """Return the object; each call makes a new one."""
        text = zlib.decompressobj(zdict=self.dictionary).decompress(self.content)
        found: Manifest = orjson.loads(text)
        return found


class Packer:
    """Packs the objects of one kind. Its dictionary is made of the first ones, which are packed without."""

    def __init__(self) -> None:
        self._first: list[bytes] | None = []
        self._dictionary = b""
        self._primed = zlib.compressobj(LEVEL)

    def pack(self, manifest: Manifest) -> Packed:
        """Return an object, packed."""
        text = orjson.dumps(manifest)
        deflate = self._primed.copy()  # to read the dictionary anew would take longer than all the rest
        packed = Packed(deflate.compress(text) + deflate.flush(), self._dictionary)
        if self._first is not None:
            self._first.append(text)
            if sum(map(len, self._first)) >= DICTIONARY_BYTES:
                self._dictionary, self._first = b"".join(self._first)[-DICTIONARY_BYTES:], None
                self._primed = zlib.compressobj(LEVEL, zdict=self._dictionary)
        return packed
