"""`insula gpu`: which GPUs there are and who holds them, and how nodes are told to part theirs."""

from dataclasses import asdict
from typing import Annotated, Any, Final

import typer
import yaml

from insula.cli import output
from insula.cli.cluster import run
from insula.cli.output import Format, Output
from insula.services import gpu_sharing, gpus
from insula.services.gpus import Holder, Pool

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Show the cluster's GPUs and who holds them; part them by NVIDIA's device plugin.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

HEADINGS: Final = ("NODE", "RESOURCE", "PRODUCT", "SHARING", "CONFIG", "SHARES", "HEALTHY", "FREE", "HELD BY")


@app.command("list")
def list_(form: Output = Format.TABLE) -> None:
    """List the shares of GPUs by node: how many there are, who holds them, how many are free."""
    found = run(gpus.look)
    if form is not Format.TABLE:
        output.emit([as_json(pool) for pool in found], form)
        return
    output.show(output.grid(HEADINGS, [row(pool) for pool in found]))
    if not found:
        output.note("no node has a GPU of NVIDIA's: its device plugin says so, where it runs")


@app.command()
def config(
    *,
    shared: Annotated[
        list[int] | None, typer.Option(help="So many time slices of each GPU; may be given several times.")
    ] = None,
    mps: Annotated[
        list[int] | None, typer.Option(help="So many MPS partitions of each GPU; may be given several times.")
    ] = None,
    mig: Annotated[bool, typer.Option("--mig", help="A configuration for nodes whose GPUs are parted by MIG.")] = False,
    renamed: Annotated[bool, typer.Option("--renamed", help="Call shares nvidia.com/gpu.shared.")] = False,
    node: Annotated[
        list[str] | None, typer.Option(help="Give a node a configuration: NODE=KEY, such as n1=shared-4.")
    ] = None,
    name: Annotated[str, typer.Option(help="The ConfigMap's name.")] = "insula-gpu-configs",
    namespace: Annotated[str, typer.Option(help="Where the device plugin runs.")] = "nvidia-device-plugin",
    apply: Annotated[bool, typer.Option("--apply", help="Apply it instead of printing it.")] = False,
) -> None:
    """Print the device plugin's ConfigMap and the nodes' labels, for `kubectl apply --server-side -f -`."""
    data = gpu_sharing.configurations(shared=shared or (), mps=mps or (), mig=mig, renamed=renamed)
    chosen = gpu_sharing.choices(node or (), data)
    manifests = [gpu_sharing.config_map(name, namespace, data)]
    manifests += [gpu_sharing.labelled(host, key) for host, key in chosen]
    if not apply:
        typer.echo(yaml.dump_all(manifests, Dumper=_Readable, sort_keys=False), nl=False)
        return
    run(lambda cluster: gpu_sharing.apply(cluster, manifests))
    output.note(f"ConfigMap {name} in {namespace} has {', '.join(data)}; {len(chosen)} nodes labelled")


class _Readable(yaml.SafeDumper):
    """Writes YAML inside YAML line by line."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Readable.add_representer(str, _text)


def row(pool: Pool) -> tuple[str, ...]:
    """Return a pool as one row of the table."""
    counts = (pool.capacity, pool.healthy, pool.free)
    held = ", ".join(_words(holder) for holder in pool.holders)
    facts = (pool.node, pool.resource, pool.product, pool.sharing, pool.config or "none")
    return (*facts, *(str(count) for count in counts), held or "nobody")


def as_json(pool: Pool) -> dict[str, Any]:
    """Return a pool as JSON values."""
    facts = {key: value for key, value in asdict(pool).items() if key != "holders"}
    return facts | {"free": pool.free, "holders": [asdict(holder) for holder in pool.holders]}


def _words(holder: Holder) -> str:
    who = holder.tenant or holder.pod
    many = f" × {holder.count}" if holder.count > 1 else ""
    failed = f" (failed: {', '.join(holder.failed)})" if holder.failed else ""
    return f"{who}{many}{failed}"
