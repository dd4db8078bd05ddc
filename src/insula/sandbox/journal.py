"""The journal of what a sandbox changed on the machine outside its own directory, so that tear-down can undo it.

An entry is written before the change it speaks of: whoever is killed in between leaves an entry too many, never one too
few. The first value noted of a setting is the machine's own and is never overwritten.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from insula.domain.errors import InsulaError


@dataclass(frozen=True)
class Journal:
    """What was changed.

    Args:
        sysctls: Kernel settings by their path below /proc/sys → the machine's own value.
        controllers: Controllers that were switched on in the root of cgroup v2.
    """

    sysctls: Mapping[str, str] = field(default_factory=dict)
    controllers: tuple[str, ...] = ()


def read(path: Path) -> Journal:
    """Return the journal; an empty one when there is none.

    Raises:
        InsulaError: The file is not a journal.
    """
    try:
        content = json.loads(path.read_text())
        return Journal(sysctls=dict(content["sysctls"]), controllers=tuple(content["controllers"]))
    except FileNotFoundError:
        return Journal()
    except (ValueError, KeyError, TypeError) as error:
        raise InsulaError(
            f"{path} is not a sandbox's journal",
            remedy=f"move {path} away; kernel settings that the sandbox raised then stay until the next boot",
        ) from error


def note_sysctl(path: Path, key: str, value: str) -> None:
    """Note the machine's own value of a kernel setting, unless one is noted already."""
    journal = read(path)
    if key not in journal.sysctls:
        _write(path, replace(journal, sysctls={**journal.sysctls, key: value}))


def note_controllers(path: Path, controllers: tuple[str, ...]) -> None:
    """Note controllers that are about to be switched on in the root of cgroup v2."""
    journal = read(path)
    _write(path, replace(journal, controllers=tuple(sorted({*journal.controllers, *controllers}))))


def _write(path: Path, journal: Journal) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(journal), indent=2) + "\n")
    partial.replace(path)
