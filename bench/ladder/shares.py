"""Whose work filled the processors while something was measured: what limited it, as far as that can be seen."""

import os
import time
from collections.abc import Mapping
from typing import Final

from bench.common import machine
from bench.common.processes import processor_s

_BUSY: Final = 0.9  # of all processors: nothing could have been quicker by waiting less


class Shares:
    """Processor time from a moment on.

    Args:
        processes: Ids by name; this process is added.
    """

    def __init__(self, processes: Mapping[str, int]) -> None:
        self._processes = dict(processes) | {"bench": os.getpid()}
        self._begun_at = time.monotonic()
        self._before = {name: processor_s(pid) for name, pid in self._processes.items()}
        self._busy_before = _busy_s()

    def seconds(self) -> dict[str, float]:
        """Return the processor seconds of each process since then."""
        return {name: processor_s(pid) - self._before[name] for name, pid in self._processes.items()}

    def text(self) -> str:
        """Say in one line how full the processors were and with whose work."""
        wall_s, count = time.monotonic() - self._begun_at, os.cpu_count() or 1
        each = self.seconds()
        others = max(0.0, _busy_s() - self._busy_before - sum(each.values()))
        whole = (sum(each.values()) + others) / wall_s
        parts = ", ".join(f"{name} {seconds / wall_s:.2f}" for name, seconds in each.items())
        limit = "the processors" if whole > _BUSY * count else "waiting, not the processors"
        text = f"{limit}: {whole:.2f} of {count} busy ({parts}, others {others / wall_s:.2f})"
        return f"{text}; load {machine.load():.1f}"


def _busy_s() -> float:
    """Return the seconds that all processors together were busy since the machine started."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _idle, _wait, irq, softirq, *_ = (int(word) for word in file.readline().split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
