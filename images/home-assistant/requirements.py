"""Close a set of Home Assistant integrations over their manifests and print what they need, one requirement a line.

Usage: requirements.py COMPONENTS_DIRECTORY < integrations.txt > requirements.in

COMPONENTS_DIRECTORY is `homeassistant/components` of an unpacked Home Assistant wheel. The lock beside this file is
made from the output; README.md tells how. Standard library only: it runs before anything is installed.
"""

import ast
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

# What an integration's manifest may say of discovery, and the integration that Home Assistant then loads with it.
DISCOVERY = {
    "dhcp": "dhcp",
    "homekit": "zeroconf",
    "mqtt": "mqtt",
    "ssdp": "ssdp",
    "zeroconf": "zeroconf",
}


def read_integrations(text: str) -> list[str]:
    """Return the integrations named in `text`, one a line, comments after `#`."""
    return [name for line in text.splitlines() if (name := line.partition("#")[0].strip())]


def close_over_dependencies(components: Path, integrations: Iterable[str]) -> dict[str, list[str]]:
    """Return every integration whose requirements Home Assistant checks to load `integrations`, with its requirements.

    Home Assistant installs what `after_dependencies` and discovery need as well, loaded or not.

    Raises:
        FileNotFoundError: An integration has no manifest: the name is wrong, or Home Assistant dropped it.
    """
    todo = list(integrations)
    found: dict[str, list[str]] = {}
    while todo:
        name = todo.pop()
        if name in found:
            continue
        manifest = json.loads((components / name / "manifest.json").read_text(encoding="utf-8"))
        found[name] = manifest.get("requirements", [])
        todo += manifest.get("dependencies", [])
        todo += (other for other in manifest.get("after_dependencies", []) if (components / other).is_dir())
        todo += (other for key, other in DISCOVERY.items() if key in manifest)
    return found


def requirements_of_login(auth: Path) -> set[str]:
    """Return what the second factors need: they name it in their source, and without it nobody can log in."""
    found: set[str] = set()
    for file in auth.rglob("*.py"):
        for written in re.findall(r"^REQUIREMENTS = (\[[^]]*\])", file.read_text(encoding="utf-8"), re.MULTILINE):
            found.update(ast.literal_eval(written))
    return found


def main() -> None:
    """Print the sorted requirements of the integrations on standard input."""
    components = Path(sys.argv[1])
    closed = close_over_dependencies(components, read_integrations(sys.stdin.read()))
    wanted = requirements_of_login(components.parent / "auth").union(*closed.values())
    sys.stdout.write("".join(f"{requirement}\n" for requirement in sorted(wanted, key=str.lower)))


if __name__ == "__main__":
    main()
