"""`insula verify`: try a home's walls from inside and say what was seen, path by path."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from insula.cli import output
from insula.cli.cluster import Cluster, run
from insula.cli.output import Format, Output
from insula.domain.errors import NotFoundError, UnavailableError, UsageError, WallOpenError
from insula.domain.probes import Result, Verdict
from insula.services import verifying
from insula.services.verifying import Report

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})
HEADINGS: Final = ("TENANT", "FROM", "PROBE", "TARGET", "EXPECTED", "SEEN", "VERDICT")
AT_ONCE: Final = 4  # homes; each has two small pods for some ten seconds
NAMED: Final = 5  # paths in the last line; the table has them all
SHOWN: Final = 72  # characters of a target in the table
_STYLES: Final = {Verdict.GREEN: "green", Verdict.RED: "red", Verdict.UNKNOWN: "yellow"}


@app.command()
def verify(
    tenant: Annotated[list[str] | None, typer.Argument(help="The tenants' names.", show_default=False)] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All tenants.")] = False,
    at_once: Annotated[int, typer.Option("--at-once", min=1, max=32, help="Homes tried at the same time.")] = AT_ONCE,
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, help="How long a home's probe pods may take, in seconds.")
    ] = verifying.PATIENCE_S,
    form: Output = Format.TABLE,
) -> None:
    """Try the walls of homes from inside, with probes of paths that must be shut; fails where one is not green."""
    if every == bool(tenant):
        raise UsageError("name tenants, or say --all", remedy="`insula verify alice`, or `insula verify --all`")
    reports = run(lambda cluster: _verify(cluster, tenant or [], at_once, timeout))
    if form is Format.TABLE:
        results = [(report.tenant, each) for report in reports for each in report.results]
        rows = [_row(*each) for each in results]
        output.show(output.grid(HEADINGS, rows, styles=[_STYLES[each.verdict] for _, each in results]))
    else:
        output.emit([_json(report) for report in reports], form)
    _judge(reports)


async def _verify(cluster: Cluster, tenants: Sequence[str], at_once: int, patience_s: float) -> list[Report]:
    platform = await verifying.read_platform(cluster)
    homes = await verifying.homes(cluster)
    if not homes:
        raise NotFoundError("there is no home in this cluster", remedy="`insula tenant create` makes one")
    room = asyncio.Semaphore(at_once)

    async def one(name: str) -> Report:
        async with room:
            return await verifying.verify(cluster, name, homes, platform, tell=output.note, patience_s=patience_s)

    return list(await asyncio.gather(*(one(name) for name in tenants or sorted(homes))))


def _judge(reports: Sequence[Report]) -> None:
    """Say in one line what is wrong, as an error, where anything is."""
    paths = {
        verdict: [f"{report.tenant}: {path}" for report in reports for path in report.paths(verdict)]
        for verdict in Verdict
    }
    total = sum(map(len, paths.values()))
    for verdict, kind, what in (
        (Verdict.RED, WallOpenError, "are red"),
        (Verdict.UNKNOWN, UnavailableError, "could not be tried"),
    ):
        if found := paths[verdict]:
            more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
            raise kind(f"{len(found)} of {total} probes {what}: {'; '.join(found[:NAMED])}{more}")
    output.note(f"all {total} probes of {len(reports)} homes are green")


def _row(tenant: str, result: Result) -> tuple[str, ...]:
    probe = result.probe
    target = probe.target if len(probe.target) <= SHOWN else f"{probe.target[: SHOWN - 1]}…"
    seen = result.seen or "not tried"
    told = f"{seen}: {result.detail}" if result.detail and result.verdict is not Verdict.GREEN else seen
    return (tenant, probe.position, probe.name, target, probe.expected, told, result.verdict)


def _json(report: Report) -> dict[str, Any]:
    verdicts = {each.verdict for each in report.results}
    worst = next(each for each in (Verdict.RED, Verdict.UNKNOWN, Verdict.GREEN) if each in verdicts)
    return {
        "tenant": report.tenant,
        "verdict": worst.value,
        "probes": [
            {
                "name": each.probe.name,
                "from": each.probe.position.value,
                "target": each.probe.target,
                "expected": each.probe.expected.value,
                "seen": each.seen,
                "verdict": each.verdict.value,
                "detail": each.detail,
            }
            for each in report.results
        ],
    }
