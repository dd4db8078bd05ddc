"""`insula cache`: what the gateways answer again from memory."""

from typing import Annotated, Any, Final

import typer

from insula.cli import output
from insula.cli.cluster import run
from insula.cli.output import Format, Output
from insula.services import cache_counts
from insula.services.cache_counts import HIT, MISS, Counts

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Show what the gateways answer again from memory.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

HEADINGS: Final = ("TENANT", "ANSWERS", "KIB", "HITS", "MISSES", "BYPASSES", "HIT SHARE")
KIB: Final = 1024


@app.callback()
def cache() -> None:
    """Show what the gateways answer again from memory."""


@app.command()
def stats(
    *,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Where Insula stands.")] = "insula-system",
    form: Output = Format.TABLE,
) -> None:
    """Show by tenant what came of the cache in all gateways, since each of them started."""
    found = run(lambda cluster: cache_counts.read(cluster, namespace=namespace))
    if form is Format.TABLE:
        output.show(output.grid(HEADINGS, [row(counts) for counts in found]))
    else:
        output.emit([as_json(counts) for counts in found], form)


def row(counts: Counts) -> tuple[str, ...]:
    """Return a tenant's counts as one row of the table."""
    results = counts.results
    numbers = (counts.answers, counts.kept_bytes // KIB, results[HIT], results[MISS], counts.bypasses)
    return (counts.tenant, *(str(number) for number in numbers), f"{counts.hit_share:.0%}")


def as_json(counts: Counts) -> dict[str, Any]:
    """Return a tenant's counts as JSON values."""
    return {
        "tenant": counts.tenant,
        "answers": counts.answers,
        "bytes": counts.kept_bytes,
        "results": dict(sorted(counts.results.items())),
    }
