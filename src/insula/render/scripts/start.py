"""Prepare /config and run Home Assistant, again each time that it asks for a restart.

This is the first process of the container. At every start, because a restore by Home Assistant empties /config:

- Another Home Assistant that still lives on this volume, on a node that nobody reaches, is waited for.
- `configuration.yaml` is written. It is ours; the resident's YAML lives in `packages/`, `automations.yaml`,
  `scripts.yaml`, `scenes.yaml` and `themes/`, which Home Assistant's editors use and which we never touch. Should
  somebody have written another configuration.yaml (a resident, a restored backup), it is kept beside as
  `configuration.yaml.resident-<n>`.
- The provider's packages (/insula/packages) are copied to `packages/insula/`.
- Requirements of integrations that a resident adds go to `deps/<version>`, on the volume: the image is read-only. They
  are installed anew after an upgrade, since the old ones would stand in front of the new image's.

A restart that Home Assistant asks for (exit status 100: the button, a restore) happens here: Kubernetes would wait
longer before each one. Any other end is the container's end.
"""

# Home Assistant is not installed where this file is checked; it is where this file runs.
# mypy: disable-error-code="import-not-found, import-untyped"

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Final

import yaml

STOPS: Final = (signal.SIGTERM, signal.SIGINT)
RESTART: Final = 100  # the exit status by which Home Assistant asks to be started again
LOCK: Final = ".ha_run.lock"  # Home Assistant holds it while it runs, and refuses to start when another one does
MARK: Final = "# Insula writes this file at every start; your own YAML goes to packages/*.yaml. Sum: "

# default_config as Home Assistant ships it, less what a pod does not have:
#   bluetooth, usb  no radio and no port reaches a pod
#   dhcp            watches the LAN through a raw socket, which a pod may not open
#   ssdp            listens to the LAN's multicast, which ends at the pod's own network
#   go2rtc          starts a helper program that comes with the official image alone
# A resident who has use for one adds it in a package.
DEFAULT_SET: Final = (
    "assist_pipeline",
    "cloud",
    "config",
    "conversation",
    "energy",
    "file",
    "frontend",
    "history",
    "homeassistant_alerts",
    "logbook",
    "media_source",
    "mobile_app",
    "my",
    "stream",
    "sun",
    "usage_prediction",
    "webhook",
    "zeroconf",
)
EDITED_BY_HOME_ASSISTANT: Final = ("automations.yaml", "scripts.yaml", "scenes.yaml")


def render_configuration(environment: Mapping[str, str]) -> str:
    """Return our configuration.yaml. Nothing in it locks what the resident sets in Home Assistant's own pages."""
    lines = [
        "homeassistant:",
        "  packages: !include_dir_named packages",
        "  media_dirs: {local: /config/media}",
        "",
    ]
    if proxies := [item.strip() for item in environment.get("INSULA_TRUSTED_PROXIES", "").split(",") if item.strip()]:
        lines += ["http:", "  use_x_forwarded_for: true", f"  trusted_proxies: {json.dumps(proxies)}", ""]
    for integration in DEFAULT_SET:
        lines.append(f"{integration}:")
        if integration == "frontend":
            lines.append("  themes: !include_dir_merge_named themes")
    lines += ["", "automation: !include automations.yaml", "script: !include scripts.yaml"]
    lines += ["scene: !include scenes.yaml", ""]
    body = "\n".join(lines)
    return f"{MARK}{hashlib.sha256(body.encode()).hexdigest()}\n{body}"


def is_ours(text: str) -> bool:
    """Say whether we wrote `text` and nobody changed it since."""
    first, _, body = text.partition("\n")
    return first == MARK + hashlib.sha256(body.encode()).hexdigest()


def write_configuration(config: Path, text: str) -> Path | None:
    """Write configuration.yaml; return where another's was kept, None if there was none."""
    target = config / "configuration.yaml"
    kept: Path | None = None
    if target.exists():
        present = target.read_text(encoding="utf-8", errors="surrogateescape")
        if present == text:
            return None
        if not is_ours(present):
            kept = next(
                place for number in count(1) if not (place := config / f"{target.name}.resident-{number}").exists()
            )
            target.rename(kept)
    draft = config / ".configuration.yaml.insula"
    draft.write_text(text, encoding="utf-8")
    draft.replace(target)
    return kept


def lay_out(config: Path) -> None:
    """Make the directories and files that configuration.yaml includes, where they are missing."""
    for directory in ("packages", "themes", "media"):
        (config / directory).mkdir(parents=True, exist_ok=True)
    for name in EDITED_BY_HOME_ASSISTANT:
        (config / name).touch()


def copy_packages(source: Path, config: Path) -> None:
    """Copy the provider's packages, all anew; one that is no YAML mapping is left out with a word on standard error.

    A single broken include would put the whole Home Assistant in recovery mode.
    """
    target = config / "packages" / "insula"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for file in sorted(source.glob("*.yaml")):
        text = file.read_text(encoding="utf-8")
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            print(f"insula: package {file.name} is left out: {error}", file=sys.stderr)
            continue
        if not isinstance(node, yaml.MappingNode):
            print(f"insula: package {file.name} is left out: it is no mapping of integrations", file=sys.stderr)
            continue
        stem = re.sub(r"[^a-z0-9]+", "_", file.stem.lower()).strip("_")
        (target / f"insula_{stem}.yaml").write_text(text, encoding="utf-8")


def tell_urls(config: Path, environment: Mapping[str, str]) -> None:
    """Set the home's URLs in Home Assistant's own settings, unless the resident chose others there.

    In configuration.yaml they would lock the page on which a resident sets name, place and units.
    """
    settings, memory = config / ".storage" / "core.config", config / ".storage" / "insula.urls"
    if not settings.exists():
        return
    stored = json.loads(settings.read_text(encoding="utf-8"))
    told = json.loads(memory.read_text(encoding="utf-8")) if memory.exists() else {}
    wanted = {
        "internal_url": environment.get("INSULA_INTERNAL_URL") or None,
        "external_url": environment.get("INSULA_EXTERNAL_URL") or None,
    }
    changed = False
    for key, url in wanted.items():
        present = stored["data"].get(key)
        if present != url and present in (None, told.get(key)):
            stored["data"][key] = url
            changed = True
    if changed:
        replace_json(settings, stored)
    if told != wanted:
        replace_json(memory, wanted)


def replace_json(path: Path, content: object) -> None:
    """Write `content` so that a crash leaves the old file or the new one; the file stays private."""
    draft = path.with_name(path.name + ".insula")
    draft.write_text(json.dumps(content, indent=2), encoding="utf-8")
    draft.chmod(0o600)
    draft.replace(path)


def deps_environment(config: Path, environment: Mapping[str, str], release: str) -> dict[str, str]:
    """Return the environment in which Home Assistant installs requirements below /config; forget other releases'."""
    home = config / "deps" / f"{release}-{sys.implementation.cache_tag}"
    if home.parent.is_dir():
        for other in home.parent.iterdir():
            if other != home and other.is_dir():
                shutil.rmtree(other, ignore_errors=True)
    # Python looks there only if the directory exists when it starts.
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (home / "lib" / python / "site-packages").mkdir(parents=True, exist_ok=True)
    # The official image sends them into the system's Python, which is read-only here.
    kept = {name: value for name, value in environment.items() if name not in {"UV_SYSTEM_PYTHON", "UV_PYTHON"}}
    return {**kept, "PYTHONUSERBASE": str(home), "UV_NO_CACHE": "true", "UV_NATIVE_TLS": "true"}


def run(command: list[str], environment: Mapping[str, str]) -> int:
    """Run `command` to its end, passing on SIGTERM and SIGINT and reaping orphans; return its exit status."""
    # A signal that comes before there is somebody to pass it on to waits until there is.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    child = os.posix_spawnp(command[0], command, environment, setsigmask=())

    def pass_on(number: int, _frame: FrameType | None) -> None:
        os.kill(child, number)

    listen(pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    try:
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == child:
                listen(leave)
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
    except ProcessLookupError:  # told to stop at the very moment in which it stopped
        return 128 + signal.SIGTERM


def listen(handler: Callable[[int, FrameType | None], None]) -> None:
    """Have `handler` hear that we shall stop; the first process of a container hears nothing without one."""
    for number in STOPS:
        signal.signal(number, handler)


def leave(number: int, _frame: FrameType | None) -> None:
    """End at once: Home Assistant does not run now."""
    raise SystemExit(128 + number)


def await_the_volume(config: Path) -> None:
    """Wait until no other Home Assistant holds the volume: before that, nothing in it may be changed.

    Where the file system keeps no locks, or not across nodes, this finds nobody.
    """
    with (config / LOCK).open("a") as lock, contextlib.suppress(OSError):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("insula: another Home Assistant runs on this volume; waiting for its end", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)


def prepare(config: Path, packages: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Make /config ready for a start; return Home Assistant's environment."""
    lay_out(config)
    copy_packages(packages, config)
    if kept := write_configuration(config, render_configuration(environment)):
        print(f"insula: another's configuration.yaml was kept as {kept.name}", file=sys.stderr)
    tell_urls(config, environment)
    return deps_environment(config, environment, version("homeassistant"))


def main() -> int:
    """Prepare and run until Home Assistant ends for good."""
    config = Path(os.environ.get("INSULA_CONFIG", "/config"))
    packages = Path(os.environ.get("INSULA_PACKAGES", "/insula/packages"))
    listen(leave)
    status = RESTART
    while status == RESTART:
        await_the_volume(config)
        environment = prepare(config, packages, os.environ)
        status = run([sys.executable, "-m", "homeassistant", "--config", str(config)], environment)
    return status


if __name__ == "__main__":
    sys.exit(main())
