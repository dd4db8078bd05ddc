"""`insula usage`: what homes use of the models, by day, model and class."""

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from insula.cli import durations, output
from insula.cli.cluster import run
from insula.domain.usage import Account, Amount
from insula.services import usage as reading

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})

COLUMNS: Final = (
    "day",
    "tenant",
    "tenantId",
    "model",
    "class",
    "gpuSeconds",
    "promptTokens",
    "answerTokens",
    "requests",
)
HEADINGS: Final = ("DAY", "TENANT", "MODEL", "CLASS", "GPU-SECONDS", "PROMPT TOKENS", "ANSWER TOKENS", "REQUESTS")


class Form(StrEnum):
    """What to print."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@app.command()
def usage(
    tenant: Annotated[str, typer.Argument(help="The tenant's name; without, all tenants.", show_default=False)] = "",
    *,
    since: Annotated[str, typer.Option(help="For how long back, whole days in UTC, today included: 1d, 7d.")] = "7d",
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Where Insula stands.")] = "insula-system",
    form: Annotated[Form, typer.Option("--output", "-o", help="What to print: a table, JSON or CSV.")] = Form.TABLE,
) -> None:
    """Show what homes use of the models: GPU-seconds, tokens and requests by day (UTC), model and class."""
    first = reading.first_day(datetime.now(UTC), durations.seconds(since))
    found = run(lambda cluster: reading.read(cluster, namespace=namespace, since=first, tenant=tenant))
    if form is Form.TABLE:
        output.show(output.grid(HEADINGS, [row(account, amount) for account, amount in found]))
        total = sum((amount for _, amount in found), Amount())
        output.note(f"since {first}: {total.gpu_seconds:.1f} GPU-seconds in {total.requests} requests")
    elif form is Form.JSON:
        typer.echo(json.dumps([as_json(account, amount) for account, amount in found], indent=2, ensure_ascii=False))
    else:
        typer.echo(as_csv(found), nl=False)


def as_json(account: Account, amount: Amount) -> dict[str, Any]:
    """Return an entry as JSON values."""
    values = (
        *(account.day.isoformat(), account.tenant, account.tenant_id, account.model, account.priority.value),
        *(amount.gpu_seconds, amount.prompt_tokens, amount.answer_tokens, amount.requests),
    )
    return dict(zip(COLUMNS, values, strict=True))


def as_csv(entries: Sequence[tuple[Account, Amount]]) -> str:
    """Return entries as CSV with a line of headings."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(as_json(account, amount) for account, amount in entries)
    return text.getvalue()


def row(account: Account, amount: Amount) -> tuple[str, ...]:
    """Return an entry as one row of the table."""
    counts = (amount.prompt_tokens, amount.answer_tokens, amount.requests)
    what = (account.day.isoformat(), account.tenant, account.model or "unknown", account.priority.value)
    return (*what, f"{amount.gpu_seconds:.1f}", *(str(count) for count in counts))
