"""What this gateway has counted and the ledger has not yet confirmed, and what the ledger last told of the day."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

from insula.domain.usage import Account, Amount, Flush

# While the ledger is away, sums grow by what they are booked under and not by requests. Beyond this many, some
# 10 MB, a home's models are summed under one name: nothing is lost but which model it was.
MAX_ACCOUNTS: Final = 20_000


@dataclass
class Takings:
    """Sums that wait to be handed in.

    They are handed in by flushes, one at a time. A flush whose answer was lost may have been booked, so it stays as it
    is, number and all, and is handed in again until it is confirmed; what comes meanwhile waits for the next one.

    Args:
        writer: The name of this run of this process; no other one ever has it.
    """

    writer: str
    max_accounts: int = MAX_ACCOUNTS
    _sequence: int = 0
    _waiting: dict[Account, Amount] = field(default_factory=dict)
    _under_way: Flush | None = None
    _own_ns: Counter[tuple[str, date]] = field(default_factory=Counter)  # unconfirmed, by home and day
    _totals: Mapping[str, int] = field(default_factory=dict)
    _totals_day: date | None = None

    @property
    def unconfirmed(self) -> Amount:
        """All that the ledger has not confirmed."""
        return sum((*self._waiting.values(), *self._of_flush().values()), Amount())

    def add(self, account: Account, amount: Amount) -> None:
        """Count an amount."""
        if len(self._waiting) >= self.max_accounts and account not in self._waiting:
            account = replace(account, model="")
        self._waiting[account] = self._waiting.get(account, Amount()) + amount
        self._own_ns[account.tenant_id, account.day] += amount.gpu_ns

    def used_ns(self, tenant_id: str, day: date) -> int:
        """Return for how long models have computed for a home on a day, as far as is known here, in nanoseconds."""
        told = self._totals.get(tenant_id, 0) if self._totals_day == day else 0
        return told + self._own_ns[tenant_id, day]

    def flush(self) -> Flush:
        """Return what is to be handed in now: what was not confirmed, else what was counted since."""
        if self._under_way is None:
            self._sequence += 1
            self._under_way, self._waiting = Flush(self.writer, self._sequence, self._waiting), {}
        return self._under_way

    def confirm(self, day: date, totals: Mapping[str, int]) -> None:
        """Take note that the flush is booked, and of the day's totals, in which it is."""
        for account, amount in self._of_flush().items():
            self._own_ns[account.tenant_id, account.day] -= amount.gpu_ns
        self._own_ns = +self._own_ns  # without what has come to nothing
        self._under_way = None
        self._totals, self._totals_day = totals, day

    def _of_flush(self) -> Mapping[Account, Amount]:
        return self._under_way.sums if self._under_way is not None else {}
