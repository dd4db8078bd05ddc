"""The words after `insula sandbox gpu`: start, stop, fail, heal."""

from typing import Annotated

import typer

from insula.sandbox import simulated_gpus
from insula.sandbox.alone import alone, cluster_to_change
from insula.sandbox.progress import reporting
from insula.sandbox.simulated_gpus import DEVICE, Devices
from insula.sandbox.workers import FIRST

app = typer.Typer(no_args_is_help=True, help="Simulate GPUs: Kubernetes sees them, nothing computes on them.")

Device = Annotated[str, typer.Argument(help="The device.")]
Node = Annotated[str, typer.Option(help="The node that has it.")]


@app.command()
def start(
    devices: Annotated[int, typer.Option(min=1, max=16, help="How many devices each node has.")] = 1,
    shares: Annotated[int, typer.Option(min=1, max=64, help="Into how many shares each device is parted.")] = 2,
    resource: Annotated[str, typer.Option(help="What Kubernetes calls a share.")] = Devices.resource,
) -> None:
    """Give every node simulated GPUs."""
    cluster = cluster_to_change("devices")
    with alone(cluster.layout), reporting() as progress:
        simulated_gpus.start(cluster, Devices(devices, shares, resource), progress)
    typer.echo(f"Each node has {devices * shares} {resource}, simulated.")


@app.command()
def stop() -> None:
    """Take the simulated GPUs away."""
    cluster = cluster_to_change("devices")
    with alone(cluster.layout):
        simulated_gpus.stop(cluster)
    typer.echo("The simulated GPUs are gone.")


@app.command()
def fail(device: Device = DEVICE, node: Node = FIRST) -> None:
    """Let a device fail."""
    simulated_gpus.set_health(cluster_to_change("devices"), device, node, healthy=False)
    typer.echo(f"{device} of {node} has failed.")


@app.command()
def heal(device: Device = DEVICE, node: Node = FIRST) -> None:
    """Let a failed device be well again."""
    simulated_gpus.set_health(cluster_to_change("devices"), device, node, healthy=True)
    typer.echo(f"{device} of {node} is well.")
