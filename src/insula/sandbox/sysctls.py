"""Kernel settings of the machine: raised where the sandbox needs more, and given back at the end."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from insula.sandbox import journal
from insula.sandbox.layout import Layout

PROC_SYS: Final = Path("/proc/sys")

# A node with a control plane uses about 25 inotify instances, its tenants' pods one or two each; Linux allows 128 by
# default for all of a user's programs together.
MINIMA: Final = {
    "fs/inotify/max_user_instances": 8192,
    "fs/inotify/max_user_watches": 262144,
}

# What Cilium's agent sets for the whole machine; noted at the start so that tear-down can set it back.
# kernel/unprivileged_bpf_disabled is absent: once it is 1 the kernel refuses any change until the next boot.
TOUCHED_BY_PODS: Final = ("kernel/timer_migration", "net/core/bpf_jit_enable")


def raise_minima(layout: Layout) -> None:
    """Raise the settings that are too low, the machine's own values noted first.

    Where a neighbouring sandbox noted a value that one is the machine's own, for what we read may be the neighbour's.
    """
    noted_before: dict[str, str] = {}
    for neighbour in layout.neighbours():
        noted_before.update(journal.read(neighbour.journal).sysctls)
    for key in (*TOUCHED_BY_PODS, *MINIMA):
        if not (PROC_SYS / key).exists():
            continue
        value = read(key)
        if key in TOUCHED_BY_PODS or key in noted_before or int(value) < MINIMA[key]:
            journal.note_sysctl(layout.journal, key, noted_before.get(key, value))
        if key in MINIMA and int(value) < MINIMA[key]:
            (PROC_SYS / key).write_text(str(MINIMA[key]))


def restore(noted: Mapping[str, str]) -> None:
    """Set back what the journal noted."""
    for key, value in noted.items():
        if (PROC_SYS / key).exists() and read(key) != value:
            (PROC_SYS / key).write_text(value)


def read(key: str) -> str:
    """Return a setting's value, by its path below /proc/sys."""
    return (PROC_SYS / key).read_text().strip()
