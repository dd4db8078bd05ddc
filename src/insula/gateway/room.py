"""The memory that requests take while they are read, wait and are answered: bounded in all, and for each home."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Gauge

from insula.gateway.errors import BusyError, TooManyError
from insula.gateway.prompts import MAX_BODY_BYTES, Take

# A body is also held parsed, and once more when something in it was changed: three times this fits the pod's limit.
CAPACITY_BYTES: Final = 96 * 1024 * 1024
# The longest prompt must fit. What is left is room for a thousand usual ones of other homes.
TENANT_BYTES: Final = MAX_BODY_BYTES
# The next answer to end may free enough.
RETRY_AFTER_S: Final = 5


class Room:
    """Counts the bytes of bodies that are held.

    Args:
        registry: Where the metric is registered.
        capacity: How many bytes are held at a time.
        of_tenant: How many of them one home may have.
    """

    def __init__(
        self, registry: CollectorRegistry, *, capacity: int = CAPACITY_BYTES, of_tenant: int = TENANT_BYTES
    ) -> None:
        self._capacity = capacity
        self._of_tenant = of_tenant
        self._held = 0
        self._held_by: Counter[str] = Counter()  # homes that hold something
        gauge = Gauge("insula_gateway_bodies_bytes", "Requests' bodies that are held.", registry=registry)
        gauge.set_function(lambda: self._held)

    @contextmanager
    def place(self, tenant_id: str) -> Iterator[Take]:
        """Give what takes so many bytes more for a request; all are free again behind the block.

        It raises TooManyError when the home has all that one may have, and BusyError when there is no room at all.
        """
        taken = 0

        def take(size: int) -> None:
            nonlocal taken
            if self._held_by[tenant_id] + size > self._of_tenant:
                raise TooManyError(
                    f"the prompts of this home that wait are longer than {self._of_tenant // 1024 // 1024} MiB",
                    retry_after_s=RETRY_AFTER_S,
                )
            if self._held + size > self._capacity:
                raise BusyError("server busy, please try again: no room for prompts", retry_after_s=RETRY_AFTER_S)
            taken += size
            self._held += size
            self._held_by[tenant_id] += size

        try:
            yield take
        finally:
            self._held -= taken
            self._held_by[tenant_id] -= taken
            if not self._held_by[tenant_id]:
                del self._held_by[tenant_id]
