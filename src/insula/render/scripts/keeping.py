"""Keep what another version of Home Assistant would change for good, and bring it back where that version failed.

Home Assistant rewrites `.storage` when a newer version starts, and an older one refuses what it then finds. So before
the first start of another version than the last, a copy is laid aside: `.storage`, and the history where it is small.

It comes back once, and only where Insula itself goes back to the version that made it, before the new one ever
answered. A downgrade that somebody wishes for weeks later brings nothing back: that would undo those weeks.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

VERSION: Final = ".HA_VERSION"  # Home Assistant writes its version here when it starts
STORAGE: Final = ".storage"
DATABASE: Final = "home-assistant_v2.db"
KEPT: Final = Path(".insula") / "before-upgrade"
FAILED: Final = Path(".insula") / "after-failed-upgrade"
# A larger history takes longer to copy than a resident waits, and may not fit.
DATABASE_MAX: Final = 512 * 2**20  # bytes


def keep_or_bring_back(config: Path, release: str, environment: Mapping[str, str]) -> str:
    """Do what is due before `release` starts; return what that was: `kept`, `brought back`, or nothing."""
    last = _read(config / VERSION)
    if not last or last == release:
        return ""
    if environment.get("INSULA_ROLLED_BACK") and _read(config / KEPT / VERSION) == release:
        bring_back(config)
        return "brought back"
    keep(config)
    return "kept"


def keep(config: Path) -> None:
    """Lay a copy aside in place of the last one, whole or not at all."""
    draft = (config / KEPT).with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    if (config / STORAGE).is_dir():
        shutil.copytree(config / STORAGE, draft / STORAGE)
    for file in _database(config) if _fits(config) else ():
        shutil.copy2(file, draft)
    shutil.copy2(config / VERSION, draft)
    shutil.rmtree(config / KEPT, ignore_errors=True)
    draft.rename(config / KEPT)


def bring_back(config: Path) -> None:
    """Put the copy in the place of what the failed version left, which is laid aside. Begun, it can be gone on with."""
    kept, failed = config / KEPT, config / FAILED
    if not failed.exists() or (kept / STORAGE).exists():
        shutil.rmtree(failed, ignore_errors=True)
        failed.mkdir(parents=True)
    if (kept / STORAGE).exists():
        if (config / STORAGE).exists():
            (config / STORAGE).rename(failed / STORAGE)
        (kept / STORAGE).rename(config / STORAGE)
    if (kept / DATABASE).exists():
        for file in _database(config):
            file.rename(failed / file.name)
        for file in sorted(_database(kept), reverse=True):  # the database itself last
            file.rename(config / file.name)
    (kept / VERSION).replace(config / VERSION)


def _database(directory: Path) -> list[Path]:
    return sorted(directory.glob(f"{DATABASE}*"))


def _fits(config: Path) -> bool:
    size = sum(file.stat().st_size for file in _database(config))
    return size <= DATABASE_MAX and 2 * size <= shutil.disk_usage(config).free


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""


def main(config: Path, release: str) -> None:
    """Do what is due and say so."""
    if done := keep_or_bring_back(config, release, os.environ):
        print(f"insula: data of the version before were {done}", file=sys.stderr)
