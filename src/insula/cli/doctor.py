"""`insula doctor`: is everything there that Insula needs, and what to do where it is not."""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import typer

from insula.cli import output
from insula.cli.cluster import Cluster, run
from insula.cli.output import Format, Output
from insula.domain.errors import UnavailableError
from insula.services import diagnosis
from insula.services.findings import Finding, Verdict

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})
HEADINGS: Final = ("CHECK", "RESULT", "REASON", "WHAT TO DO")
_STYLES: Final = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "red"}


@app.command()
def doctor(form: Output = Format.TABLE) -> None:
    """Check the cluster: each thing that Insula needs, with the reason and what to do; fails if one is missing."""
    found = run(_examine)
    if form is Format.TABLE:
        rows = [(each.check, each.verdict.value, each.reason, each.remedy) for each in found]
        output.show(output.grid(HEADINGS, rows, styles=[_STYLES[each.verdict] for each in found]))
    else:
        output.emit([_json(each) for each in found], form)
    failed = [each.check for each in found if each.verdict is Verdict.FAILED]
    if failed:
        raise UnavailableError(f"{len(failed)} of {len(found)} checks failed: {', '.join(failed)}")


async def _examine(cluster: Cluster) -> Sequence[Finding]:
    return [each async for each in diagnosis.examine(cluster, _resolve)]


async def _resolve(host: str) -> list[str]:
    try:
        answers = await asyncio.get_running_loop().getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [str(answer[4][0]) for answer in answers]


def _json(finding: Finding) -> dict[str, Any]:
    return {**asdict(finding), "verdict": finding.verdict.value}
