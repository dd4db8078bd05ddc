"""The door `insula sandbox`: build, up, status, down, kubeconfig, node."""

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from insula.domain.errors import InsulaError, UnavailableError, UsageError
from insula.domain.models import REGISTRY_NAMESPACE
from insula.sandbox import gpu_commands, node_commands, package_index, preflight, teardown, workers
from insula.sandbox.alone import alone
from insula.sandbox.cluster import RELEASE_NAMESPACE, Cluster
from insula.sandbox.layout import NODE_NAMES, Layout
from insula.sandbox.progress import Progress, reporting
from insula.sandbox.workers import FIRST

if TYPE_CHECKING:
    from insula.sandbox.installation import Installation

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="Run a real Kubernetes on this machine, with Insula on it.")

app.add_typer(node_commands.app, name="node")
app.add_typer(gpu_commands.app, name="gpu")

TIMES_FILE: Final = "times.json"


@app.command()
def up(
    nodes: Annotated[
        int | None,
        typer.Option(min=1, max=len(NODE_NAMES), help="How many nodes it is to have; by default as many as it has."),
    ] = None,
) -> None:
    """Bring the sandbox up, or repair it; a second run returns in seconds."""
    layout = Layout.default()
    _check_machine(layout)
    with alone(layout), reporting() as progress:
        began = time.monotonic()
        installation = _installation(layout, progress)
        kind = installation.kind()
        _run(installation.up(nodes))
    _note_times(layout, installation.seconds, time.monotonic() - began, kind)
    typer.echo(f"The sandbox is up. Its kubeconfig: {layout.kubeconfig}")


@app.command()
def build() -> None:
    """Build everything the sandbox runs, without starting it."""
    layout = Layout.default()
    with reporting() as progress:
        _run(_installation(layout, progress).build())


@app.command()
def status(
    output: Annotated[str, typer.Option("-o", "--output", help="table or json")] = "table",
) -> None:
    """Say what runs: nodes, control plane, add-ons, Insula. Ends with code 4 when something does not."""
    found = _status(Layout.default())
    if output == "json":
        typer.echo(json.dumps(found, indent=2))
    elif output == "table":
        for name, state in found["parts"].items():
            typer.echo(f"{name:<28} {state}")
    else:
        raise UsageError(f"there is no output format {output!r}", remedy="choose table or json")
    if not found["up"]:
        raise UnavailableError("the sandbox is not up", remedy="run `insula sandbox up`")


@app.command()
def down(
    purge: Annotated[bool, typer.Option(help="Also remove the build cache; the next `up` builds anew.")] = False,
) -> None:
    """Stop the sandbox and remove all that it made on this machine but the build cache."""
    layout = Layout.default()
    if os.geteuid() != 0:
        raise UsageError("only root can take a sandbox down", remedy="run it with sudo")
    with alone(layout):
        teardown.down(layout)
    if purge:
        shutil.rmtree(layout.cache, ignore_errors=True)
    typer.echo("The sandbox is down.")


@app.command()
def kubeconfig() -> None:
    """Print the path of the administrator's kubeconfig."""
    typer.echo(Layout.default().kubeconfig)


@app.command()
def image_tags() -> None:
    """Print the names of Insula's own images as the sandbox runs them."""
    from insula.sandbox.builds import product  # noqa: PLC0415  # see _installation

    for name, recipe in product.tagged.items():
        typer.echo(f"localhost/insula/{name}:{recipe.key}")


@app.command("preflight")
def check_machine() -> None:
    """Check this machine, and say what to do about what is missing."""
    checks = preflight.check(Layout.default())
    for check in checks:
        typer.echo(f"{check.verdict.value:<5} {check.name}: {check.reason}")
        if check.remedy:
            typer.echo(f"      → {check.remedy}")
    if not preflight.may_start(checks):
        raise UnavailableError("this machine cannot carry a sandbox yet")


def _installation(layout: Layout, progress: Progress) -> "Installation":
    """Return a run of `up`. What it builds is read from the repository, which the other commands do without."""
    from insula.sandbox.installation import Installation  # noqa: PLC0415

    return Installation(layout, progress)


def _check_machine(layout: Layout) -> None:
    checks = preflight.check(layout)
    for check in checks:
        if check.verdict is not preflight.Verdict.OK:
            typer.echo(f"{check.verdict.value}: {check.name}: {check.reason} → {check.remedy}", err=True)
    if not preflight.may_start(checks):
        raise UnavailableError("this machine cannot carry a sandbox yet", remedy="see the lines above")


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; of several failures at once one is told, ours before others."""
    try:
        return asyncio.run(work)
    except BaseExceptionGroup as group:
        error: BaseException = group.subgroup(InsulaError) or group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from group


def _note_times(layout: Layout, stages: dict[str, float], total_s: float, kind: str) -> None:
    """Keep the seconds of this run, by its kind (cold, warm, repair, …); the benchmark reads the last of each."""
    path = layout.cache / TIMES_FILE
    known = json.loads(path.read_text()) if path.is_file() else {}
    known[kind] = {"seconds": total_s, "stages": stages, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    path.write_text(json.dumps(known, indent=2))


def _status(layout: Layout) -> dict[str, Any]:
    cluster = Cluster(layout, layout.state / "bin")
    parts = {f"node {node}": state for node, state in workers.states(cluster).items()} or {f"node {FIRST}": "stopped"}
    parts["package index"] = "up" if package_index.processes(layout) else "down"
    parts |= _workloads(cluster)
    return {"up": all(state.startswith(("up", "ready")) for state in parts.values()), "parts": parts}


def _workloads(cluster: Cluster) -> dict[str, str]:
    try:
        found = cluster.get("deployments,daemonsets", "--all-namespaces")["items"]
    except InsulaError:
        return {"API server": "down"}
    states = {"API server": "up"}
    for item in found:
        wanted = item["spec"].get("replicas", item["status"].get("desiredNumberScheduled", 0))
        ready = item["status"].get("readyReplicas", item["status"].get("numberReady", 0))
        namespace = item["metadata"]["namespace"]
        # A home that sleeps or is broken is its own matter; `insula tenant list` tells.
        if not namespace.startswith("insula-") or namespace in {RELEASE_NAMESPACE, REGISTRY_NAMESPACE}:
            states[f"{namespace}/{item['metadata']['name']}"] = "ready" if ready >= wanted else f"{ready}/{wanted}"
    return states


if __name__ == "__main__":
    sys.exit(app())
