"""`insula batch`: many prompts that nobody waits for, answered when a home's Ollama has nothing else to do."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from insula.cli import output
from insula.cli.cluster import run
from insula.cli.output import Format, Output
from insula.domain.errors import UsageError
from insula.services import batching

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Have many prompts of a home answered when nothing else is to do.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

HEADINGS: Final = ("BATCH", "STATUS", "LINES", "ANSWERED", "FAILED", "UNTIL")
Tenant = Annotated[str, typer.Argument(help="The tenant's name.", show_default=False)]
Batch = Annotated[str, typer.Argument(help="The batch's id.", show_default=False)]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Where Insula stands.")]


@app.command()
def submit(
    tenant: Tenant,
    file: Annotated[Path, typer.Argument(help="Prompts, a line of JSON each; - reads stdin.", show_default=False)],
    namespace: Namespace = "insula-system",
    form: Output = Format.TABLE,
) -> None:
    """Hand in a batch: each line has custom_id, url and body, as OpenAI's batches do; print its id."""
    lines = _read(file)
    told = run(lambda cluster: batching.submit(cluster, tenant, lines, namespace=namespace))
    if form is Format.TABLE:
        typer.echo(told["id"])
    else:
        output.emit(told, form)


@app.command()
def status(
    tenant: Tenant,
    batch: Annotated[str, typer.Argument(help="The batch's id; without, all of the home.", show_default=False)] = "",
    namespace: Namespace = "insula-system",
    form: Output = Format.TABLE,
) -> None:
    """Show how far a home's batches are."""
    found = run(lambda cluster: batching.look(cluster, tenant, batch, namespace=namespace))
    if form is Format.TABLE:
        output.show(output.grid(HEADINGS, rows(found)))
    else:
        output.emit(found, form)


@app.command()
def results(tenant: Tenant, batch: Batch, namespace: Namespace = "insula-system") -> None:
    """Print what became of the lines that are done, a line of JSON each."""
    typer.echo(run(lambda cluster: batching.results(cluster, tenant, batch, namespace=namespace)), nl=False)


@app.command()
def cancel(tenant: Tenant, batch: Batch, namespace: Namespace = "insula-system") -> None:
    """Stop a batch, done or not, and forget it with its results."""
    run(lambda cluster: batching.cancel(cluster, tenant, batch, namespace=namespace))
    output.note(f"the batch {batch} is forgotten")


def rows(found: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Return batches as rows of the table."""
    kinds = ("total", "completed", "failed")
    return [
        (each["id"], each["status"], *(str(each["request_counts"][kind]) for kind in kinds), each["expires_at"])
        for each in found
    ]


def _read(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
