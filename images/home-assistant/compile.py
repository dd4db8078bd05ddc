"""Compile what every home loads: all packages, and of Home Assistant's integrations those named on standard input.

Usage: compile.py DIST_PACKAGES < integrations.txt

The bytecode is marked as unchecked, so that it holds whatever a copy does to the files' times.
"""

import compileall
import re
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

from requirements import close_over_dependencies, read_integrations


def main() -> None:
    """Compile below DIST_PACKAGES, one process a core; fail on nothing, for some packages carry templates named .py."""
    packages = Path(sys.argv[1])
    components = packages / "homeassistant" / "components"
    wanted = close_over_dependencies(components, read_integrations(sys.stdin.read()))
    others = r"/homeassistant/components/(?!(?:%s)/|__init__)" % "|".join(map(re.escape, sorted(wanted)))  # noqa: UP031
    compileall.compile_dir(
        packages,
        maxlevels=20,
        rx=re.compile(others),
        quiet=2,
        workers=0,
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )


if __name__ == "__main__":
    main()
