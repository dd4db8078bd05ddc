"""How commands print: tables for people, JSON and YAML for programs."""

import io
import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Final

import typer
import yaml
from rich.console import Console
from rich.table import Table

from insula.domain.manifests import Manifest

WIDE: Final = 400  # columns where no terminal bounds the line


class Format(StrEnum):
    """What to print."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


# Every command that prints something takes this option.
Output = Annotated[Format, typer.Option("--output", "-o", help="What to print: a table, JSON or YAML.")]


def note(text: str) -> None:
    """Tell a person something that is no result: it goes to stderr, so that a pipe stays clean."""
    typer.echo(text, err=True)


def readable(manifest: Manifest) -> Manifest:
    """Return a Kubernetes object without the bookkeeping of who set which field."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "managedFields"}
    return {**manifest, "metadata": metadata}


def emit(value: Any, form: Format) -> None:
    """Print a value as JSON or YAML."""
    if form is Format.JSON:
        typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
    else:
        typer.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), nl=False)


def grid(headings: Sequence[str], rows: Sequence[Sequence[str]], *, styles: Sequence[str] = ()) -> Table:
    """Return a table without lines, as kubectl prints them; `styles` colours one row each."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for index, heading in enumerate(headings):
        table.add_column(heading, overflow="fold", no_wrap=index == 0)
    for index, row in enumerate(rows):
        table.add_row(*row, style=styles[index] if index < len(styles) else None)
    return table


def facts(rows: Sequence[tuple[str, str]]) -> Table:
    """Return a table of names and values without headings."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def show(table: Table) -> None:
    """Print a table; a pipe gets it without colours and without being folded at 80 columns."""
    console = Console(highlight=False, markup=False)
    if console.is_terminal:
        console.print(table)
        return
    text = io.StringIO()
    Console(file=text, highlight=False, markup=False, width=WIDE).print(table)
    typer.echo("\n".join(line.rstrip() for line in text.getvalue().splitlines()))
