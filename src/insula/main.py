"""The entry point `insula`: finds the door that was named, imports that one alone, and turns errors into exit codes.

Jobs start this program for every tenant, so a door must not pay for another's imports.
"""

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from insula.domain.errors import InsulaError, UsageError


@dataclass(frozen=True)
class Door:
    """One word after `insula`: where its typer application is, and what it does in one line.

    `serves` marks the processes that run in the cluster: their log wants a defect's traceback without being asked.
    """

    module: str
    summary: str
    serves: bool = False


DOORS: Final[dict[str, Door]] = {
    "tenant": Door("insula.cli.tenant", "Create, watch, open, ask, suspend and delete tenants"),
    "model": Door("insula.cli.model", "Add models to the cluster's registry and list them"),
    "verify": Door("insula.cli.verify", "Prove the walls of homes: try what must not work"),
    "usage": Door("insula.cli.usage", "Show what homes use of the models"),
    "cache": Door("insula.cli.cache", "Show what the gateways answer again from memory"),
    "batch": Door("insula.cli.batch", "Have many prompts of a home answered when nothing else is to do"),
    "gpu": Door("insula.cli.gpu", "Show the cluster's GPUs and who holds them; part them"),
    "doctor": Door("insula.cli.doctor", "Check the cluster, and say what to do about what is wrong"),
    "sandbox": Door("insula.sandbox.main", "Run a real Kubernetes on this machine: up, status, down"),
    "operator": Door("insula.operator.main", "Run the operator (in the cluster)", serves=True),
    "gateway": Door("insula.gateway.main", "Run the gateway (in the cluster)", serves=True),
    "ledger": Door("insula.bookkeeper.main", "Run the ledger (in the cluster)", serves=True),
    "job": Door("insula.jobs.main", "Run one job of a tenant (in the cluster)", serves=True),
}
DEBUG_FLAG: Final = "--debug"
DEBUG_VARIABLE: Final = "INSULA_DEBUG"


def run() -> None:
    """Run the command line of this process and exit with its code."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; see `insula.cli.exits` for their meaning."""
    words, debug = _take_debug(arguments)
    if not words or words[0] in {"--help", "-h", "help"}:
        print(_help())
        return 0
    if words[0] in {"version", "--version"}:
        print(_version())
        return 0
    door = DOORS.get(words[0])
    if door is None:
        unknown = UsageError(f"there is no command {words[0]!r}", remedy="`insula --help` lists the commands")
        return _tell(unknown, debug=debug)
    try:
        application = importlib.import_module(door.module).app
        return _call(application, words[1:], f"insula {words[0]}")
    except InsulaError as error:
        return _tell(error, debug=debug)
    except Exception as error:
        if debug or door.serves:
            traceback.print_exc()
        else:
            kind = type(error).__name__
            _complain(f"unexpected {kind}: {error} → run it again with {DEBUG_FLAG} and report what it shows")
        return 1


def _take_debug(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Return the words without `--debug` (looked for up to `--`), and whether it was asked for."""
    words = list(arguments)
    end = words.index("--") if "--" in words else len(words)
    found = DEBUG_FLAG in words[:end]
    kept = [word for word in words[:end] if word != DEBUG_FLAG] + words[end:]
    return kept, found or bool(os.environ.get(DEBUG_VARIABLE))


def _call(application: Callable[..., Any], words: list[str], name: str) -> int:
    """Run a typer application; its own complaints become one line, too."""
    import typer  # noqa: PLC0415  # only once a door is known to need it

    try:
        result = application(args=words, prog_name=name, standalone_mode=False)
    except typer.Abort:
        _complain("stopped: nothing was changed")
        return 130
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else name
        _complain(f"{error.format_message().rstrip('.')} → `{command} --help` shows how it is used")
        return error.exit_code
    return result if isinstance(result, int) else 0


def _tell(error: InsulaError, *, debug: bool) -> int:
    from insula.cli import exits  # noqa: PLC0415  # only on the way out

    if debug:
        traceback.print_exception(error)
    _complain(str(error))
    return exits.code_of(error)


def _complain(text: str) -> None:
    print("insula:", " ".join(text.split()), file=sys.stderr)  # one line, whatever other programs said


def _help() -> str:
    width = max(map(len, [*DOORS, "version"])) + 2
    lines = [f"  {name:<{width}}{door.summary}" for name, door in DOORS.items()]
    lines.append(f"  {'version':<{width}}Print the version")
    return "\n".join(
        [
            "Usage: insula [--debug] COMMAND ...",
            "",
            "An isolated Home Assistant and Ollama for every person, on shared Kubernetes.",
            "",
            *lines,
            "",
            "`insula COMMAND --help` shows a command's own words. --debug shows where an error came from.",
        ]
    )


def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415  # costs 20 ms that only this command needs

    return version("insula")
