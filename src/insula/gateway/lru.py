"""A map that holds so much and no more: what was not used for longest goes first."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Lru(Generic[K, V]):
    """Holds values of `capacity` in all.

    Args:
        capacity: In the unit of `size`.
        size: What a value takes of it; by default each takes 1.
    """

    def __init__(self, capacity: int, *, size: Callable[[V], int] = lambda _: 1) -> None:
        self._capacity = capacity
        self._size_of = size
        self._values: OrderedDict[K, V] = OrderedDict()
        self.size = 0
        """How much all values take."""

    def get(self, key: K) -> V | None:
        """Return a value, which was used by that, or None."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Take a value in place of the one that the key had; one that is larger than everything is not kept."""
        self.drop(key)
        self._values[key] = value
        self.size += self._size_of(value)
        while self.size > self._capacity:
            self.drop_oldest()

    def drop(self, key: K) -> None:
        """Forget a value, if there is one."""
        value = self._values.pop(key, None)
        if value is not None:
            self.size -= self._size_of(value)

    def drop_oldest(self) -> V:
        """Forget the value that was not used for longest, and return it.

        Raises:
            KeyError: There is none.
        """
        _, value = self._values.popitem(last=False)
        self.size -= self._size_of(value)
        return value

    def items(self) -> Iterator[tuple[K, V]]:
        """Return what is held, the one that was not used for longest first."""
        return iter(self._values.items())

    def __len__(self) -> int:
        return len(self._values)
