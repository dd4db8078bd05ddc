"""The machine and the commit that a figure belongs to."""

import os
import platform
import re
import subprocess
from pathlib import Path


def describe() -> str:
    """Return processor, cores, memory and kernel in one line."""
    processor = _first(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo")) or platform.processor() or "unknown processor"
    memory_kib = int(_first(r"MemTotal:\s+(\d+)", Path("/proc/meminfo")) or 0)
    return f"{os.cpu_count()} × {processor}, {memory_kib / 1024 / 1024:.0f} GiB, Linux {platform.release()}"


def load() -> float:
    """Return the load average of the last minute: what else ran spoils a figure."""
    return os.getloadavg()[0]


def commit() -> str:
    """Return the commit's id, with "+" when files differ from it; "" outside a repository."""
    try:
        found = _git("rev-parse", "HEAD")
        return found + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(*words: str) -> str:
    here = Path(__file__).parent
    return subprocess.run(["git", *words], check=True, capture_output=True, text=True, cwd=here).stdout.strip()


def _first(pattern: str, path: Path) -> str:
    found = re.search(pattern, path.read_text(encoding="utf-8"))
    return found.group(1).strip() if found else ""
