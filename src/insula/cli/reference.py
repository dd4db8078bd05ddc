"""Write the reference pages that follow from the code, or check that they are current.

Run it as `python -m insula.cli.reference [--check] [ROOT]`; ROOT is the repository, by default where you stand.
"""

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import typer.main

from insula.cli import exits
from insula.contract.resolve import Reason as Refusal
from insula.domain.conditions import ConditionType
from insula.reconcile.reasons import TROUBLE, Reason

NOTICE: Final = "<!-- Made by `python -m insula.cli.reference`: edit the code's help texts. -->\n"
# The doors whose commands people type; the cluster's processes are started by the chart alone. By name, not by
# import: this door does not depend on its sibling.
COMMANDS: Final[Mapping[str, str]] = {
    "tenant": "insula.cli.tenant",
    "model": "insula.cli.model",
    "verify": "insula.cli.verify",
    "usage": "insula.cli.usage",
    "cache": "insula.cli.cache",
    "batch": "insula.cli.batch",
    "gpu": "insula.cli.gpu",
    "doctor": "insula.cli.doctor",
    "sandbox": "insula.sandbox.main",
}


def pages() -> Mapping[str, str]:
    """Return the text of every generated page by its path below the repository's root."""
    return {
        "docs/reference/cli.md": NOTICE + "\n".join(_cli()),
        "docs/reference/conditions.md": NOTICE + "\n".join(_conditions()),
    }


def _cli() -> Iterator[str]:
    yield "# The command `insula`\n"
    yield "It works on the cluster of your kubeconfig: `KUBECONFIG`, else `~/.kube/config`, else the sandbox's own.\n"
    yield "`--debug` (or `INSULA_DEBUG=1`) shows where an error came from. Results go to stdout, all else to stderr.\n"
    for name, module in COMMANDS.items():
        yield from _command(f"insula {name}", typer.main.get_command(importlib.import_module(module).app))
    yield "## insula version\n"
    yield "Print the version.\n"
    yield "## Exit codes\n"
    yield from _table(("Code", "Meaning"), [(str(code), meaning) for code, meaning in exits.rows()])


def _command(path: str, command: Any) -> Iterator[str]:
    subcommands: Mapping[str, Any] = getattr(command, "commands", {})
    yield f"{'##' if path.count(' ') == 1 else '###'} {path}\n"
    yield f"{_sentence(command.help)}\n"
    if subcommands:
        for name, each in subcommands.items():
            yield from _command(f"{path} {name}", each)
        return
    parameters = [each for each in command.params if not getattr(each, "hidden", False)]
    arguments = [each for each in parameters if each.param_type_name == "argument"]
    usage = " ".join([path, *(_argument(each) for each in arguments), "[OPTIONS]"])
    yield f"```\n{usage}\n```\n"
    rows = [(f"`{_argument(each)}`", _help(each)) for each in arguments]
    rows += [(f"`{_option(each)}`", _help(each)) for each in parameters if each.param_type_name == "option"]
    if rows:
        yield from _table(("Word", "Meaning"), rows)


def _argument(parameter: Any) -> str:
    name = str(parameter.name).upper()
    return name if parameter.required else f"[{name}]"


def _option(parameter: Any) -> str:
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    if parameter.is_flag:
        return names
    choices = getattr(parameter.type_descriptor, "choices", None)
    value = "|".join(str(getattr(each, "value", each)) for each in choices) if choices else str(parameter.name).upper()
    return f"{names} {value}"


def _help(parameter: Any) -> str:
    parts = [_sentence(parameter.help)]
    default = parameter.default
    if default not in (None, False, (), []) and not callable(default):
        parts.append(f"Default: `{getattr(default, 'value', default)}`.")
    if parameter.required and parameter.param_type_name == "option":
        parts.append("Required.")
    if parameter.envvar:
        parts.append(f"Also from `{parameter.envvar}`.")
    return " ".join(parts)


def _sentence(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "").strip()


def _conditions() -> Iterator[str]:
    yield "# Conditions of a Tenant\n"
    yield "`insula tenant show NAME` lists them in the order in which they become true."
    yield "A condition whose `observedGeneration` is older than the Tenant's `generation` speaks of an earlier spec.\n"
    yield from _table(("Condition", "True means"), [(f"`{kind}`", CONDITIONS[kind]) for kind in ConditionType])
    yield "## Reasons\n"
    yield "Stable words for programs. Each message says in a sentence what a person can do.\n"
    trouble = [(f"`{each}`", text) for each, text in _members(Reason) if each in TROUBLE]
    others = [(f"`{each}`", text) for each, text in _members(Reason) if each not in TROUBLE]
    yield "### Somebody has to do something\n"
    yield from _table(("Reason", "Meaning"), trouble)
    yield "### All others\n"
    yield from _table(("Reason", "Meaning"), others)
    yield "### Of `Accepted=False`\n"
    yield "The last accepted spec keeps running.\n"
    yield from _table(("Reason", "Meaning"), [(f"`{each}`", REFUSALS[each]) for each in Refusal])


CONDITIONS: Final[Mapping[ConditionType, str]] = {
    ConditionType.ACCEPTED: "the spec obeys its plan and is in force",
    ConditionType.NAMESPACE_READY: "the namespace stands with quotas and network walls",
    ConditionType.HOME_ASSISTANT_READY: "Home Assistant answers inside the cluster",
    ConditionType.CLAIMED: "the accounts exist; nobody else can take the home",
    ConditionType.ROUTE_READY: "certificate and Ingress stand; browsers can come",
    ConditionType.OLLAMA_READY: "Ollama answers inside the cluster",
    ConditionType.MODELS_READY: "all models of the spec are in the volume",
    ConditionType.CONVERSATION_READY: "Home Assistant's default agent talks to the first model",
    ConditionType.UP_TO_DATE: "Home Assistant's image and the volumes are as asked; a home may answer without it",
    ConditionType.READY: "all of the above that a home needs to answer as the spec asks",
    ConditionType.ISOLATED: "probes from inside found every forbidden path shut; no part of Ready",
    ConditionType.WITHIN_QUOTA: "the home has GPU-seconds left for today, or needs none; no part of Ready",
}
REFUSALS: Final[Mapping[Refusal, str]] = {
    Refusal.INVALID_SPEC: "A field is missing, unknown or malformed.",
    Refusal.INVALID_PLAN: "The plan itself breaks a rule.",
    Refusal.NAME_RESERVED: "The tenant's name is one that Insula needs itself, or is too long.",
    Refusal.PLAN_MISSING: "There is no plan of this name.",
    Refusal.CEILING_EXCEEDED: "More is asked for than the plan allows.",
    Refusal.MODEL_NOT_ALLOWED: "The plan does not allow a model.",
    Refusal.HOST_NOT_ALLOWED: "The plan does not allow the host.",
}


def _members(enum: type[StrEnum]) -> Iterator[tuple[str, str]]:
    """Yield an enum's values with the text that stands below each in the source."""
    body = ast.parse(inspect.getsource(enum)).body[0]
    statements = body.body if isinstance(body, ast.ClassDef) else []
    for index, statement in enumerate(statements[:-1]):
        text = statements[index + 1]
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            documented = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
            yield enum[statement.targets[0].id].value, str(text.value.value) if documented else ""  # type: ignore[attr-defined]


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
    yield ""


def outdated(root: Path) -> list[str]:
    """Return the paths of pages that are missing or differ from what the code says."""
    return [path for path, text in pages().items() if not _reads(root / path, text)]


def _reads(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def main(arguments: Sequence[str]) -> int:
    """Return the exit code: 1 if `--check` found outdated pages."""
    roots = [Path(argument) for argument in arguments if argument != "--check"]
    root = roots[0] if roots else Path.cwd()
    paths = outdated(root)
    if "--check" in arguments:
        for path in paths:
            print(f"outdated: {path} → run `python -m insula.cli.reference`", file=sys.stderr)
        return 1 if paths else 0
    texts = pages()
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(texts[path], encoding="utf-8")
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
