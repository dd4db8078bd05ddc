"""The words after `insula sandbox node`: list, stop, start, remove."""

import json
import time
from typing import Annotated

import typer

from insula.domain.errors import UsageError
from insula.sandbox import workers
from insula.sandbox.alone import alone, cluster_to_change
from insula.sandbox.cluster import Cluster
from insula.sandbox.layout import Layout

app = typer.Typer(no_args_is_help=True, help="Stop, start and remove the sandbox's nodes.")

Node = Annotated[str, typer.Argument(help="The node's name, such as n2.")]


@app.command("list")
def show(
    output: Annotated[str, typer.Option("-o", "--output", help="table or json")] = "table",
) -> None:
    """List the nodes and how they are."""
    layout = Layout.default()
    rows = [
        {"node": node, "address": str(layout.node_address(node)), "state": state}
        for node, state in workers.states(Cluster(layout, layout.state / "bin")).items()
    ]
    if output == "json":
        typer.echo(json.dumps(rows, indent=2))
    elif output == "table":
        for row in rows:
            typer.echo(f"{row['node']:<6} {row['address']:<16} {row['state']}")
    else:
        raise UsageError(f"there is no output format {output!r}", remedy="choose table or json")


@app.command()
def stop(
    node: Node,
    drain: Annotated[bool, typer.Option("--drain", help="Let its pods go to other nodes first.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Stop the control plane, too.")] = False,
) -> None:
    """Stop a node as a power cut would: its cable is pulled and all on it is killed. Its data stay."""
    cluster = cluster_to_change("nodes")
    with alone(cluster.layout):
        workers.stop(cluster, node, drain=drain, force=force)
    typer.echo(f"{node} is stopped.")


@app.command()
def start(node: Node) -> None:
    """Start a stopped node, and wait until it is Ready."""
    cluster = cluster_to_change("nodes")
    with alone(cluster.layout):
        began = time.monotonic()
        workers.start(cluster, node)
    typer.echo(f"{node} is Ready after {time.monotonic() - began:.1f} s.")


@app.command()
def remove(node: Node) -> None:
    """Remove a worker with all that it holds; its pods go to other nodes first, if it runs."""
    cluster = cluster_to_change("nodes")
    with alone(cluster.layout):
        workers.remove(cluster, node)
    typer.echo(f"{node} is removed.")
