"""Kernel settings of the machine: raised where the sandbox needs more, and given back at the end."""

from pathlib import Path
from typing import Final

from insula.sandbox import journal

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


def raise_minima(journal_path: Path) -> None:
    """Raise the settings that are too low, the machine's own values noted first."""
    for key in TOUCHED_BY_PODS:
        if (PROC_SYS / key).exists():
            journal.note_sysctl(journal_path, key, read(key))
    for key, minimum in MINIMA.items():
        value = read(key)
        if int(value) < minimum:
            journal.note_sysctl(journal_path, key, value)
            (PROC_SYS / key).write_text(str(minimum))


def restore(noted: journal.Journal) -> None:
    """Set back what the journal noted."""
    for key, value in noted.sysctls.items():
        if (PROC_SYS / key).exists() and read(key) != value:
            (PROC_SYS / key).write_text(value)


def read(key: str) -> str:
    """Return a setting's value, by its path below /proc/sys."""
    return (PROC_SYS / key).read_text().strip()
