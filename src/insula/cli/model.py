"""`insula model`: put models into the cluster's registry and say what is there and who wants it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Protocol

import typer

from insula.cli import output
from insula.cli.cluster import connect, run
from insula.cli.output import Format, Output
from insula.domain.errors import NotFoundError
from insula.domain.manifests import Manifest
from insula.ollama import adding, catalogue
from insula.ollama.names import ModelName
from insula.ollama.registry import open_registry
from insula.services import tenancy

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Add models to the cluster's registry and list them.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Pods(Protocol):
    """What finding the registry needs from Kubernetes."""

    async def list(
        self, api_version: str, kind: str, *, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        """Return the objects of a kind that bear all the labels."""


REGISTRY_NAMESPACE: Final = "insula-registry"
REGISTRY_LABELS: Final = {"app": "registry"}
HEADINGS: Final = ("MODEL", "IN REGISTRY", "WANTED BY")
Registry = Annotated[
    str | None,
    typer.Option(envvar="INSULA_REGISTRY", help="The registry's URL; without it, the one that the sandbox runs."),
]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="The model's name, as name:tag.", show_default=False)],
    *,
    gguf: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="The weights: a GGUF file.")],
    template: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A prompt template in Ollama's form.")
    ] = None,
    registry: Registry = None,
    form: Output = Format.TABLE,
) -> None:
    """Put weights into a registry as a model that tenants can name."""
    model = ModelName.parse(name)
    recipe = catalogue.recipe_for(model)
    if template is not None:
        recipe = replace(recipe, template=template.read_text(encoding="utf-8"))
    url = registry or run(find_registry)
    digest = asyncio.run(adding.push_model(url, str(model), gguf, recipe))
    if form is Format.TABLE:
        typer.echo(f"{model} is in the registry: {digest}")
    else:
        output.emit({"model": str(model), "digest": digest, "registry": url}, form)


@app.command("list")
def list_(registry: Registry = None, form: Output = Format.TABLE) -> None:
    """List the registry's models and those that tenants want."""

    async def look() -> tuple[list[ModelName], list[Manifest]]:
        async with connect() as cluster:
            url = registry or await find_registry(cluster)
            async with open_registry(url) as opened:
                return await opened.list_models(), await tenancy.look_at_all(cluster)

    models = overview(*asyncio.run(look()))
    if form is Format.TABLE:
        rows = [(each["model"], "yes" if each["inRegistry"] else "no", ", ".join(each["wantedBy"])) for each in models]
        output.show(output.grid(HEADINGS, rows))
    else:
        output.emit(models, form)


async def find_registry(cluster: Pods) -> str:
    """Return the URL at which this machine reaches the sandbox's registry: a port of the node that it runs on.

    Raises:
        NotFoundError: The cluster has no such registry.
    """
    pods = await cluster.list("v1", "Pod", namespace=REGISTRY_NAMESPACE, labels=REGISTRY_LABELS)
    addresses = [address for pod in pods if (address := pod.get("status", {}).get("hostIP"))]
    services = await cluster.list("v1", "Service", namespace=REGISTRY_NAMESPACE)
    ports = [
        port["nodePort"] for service in services for port in service["spec"].get("ports", []) if "nodePort" in port
    ]
    if addresses and ports:
        return f"http://{addresses[0]}:{ports[0]}"
    raise NotFoundError(
        f"no registry with a port on the nodes runs in namespace {REGISTRY_NAMESPACE}",
        remedy="name your own with --registry URL",
    )


def overview(models: Sequence[ModelName], tenants: Sequence[Manifest]) -> list[dict[str, Any]]:
    """Return every model that is in the registry or wanted, with the tenants that want it."""
    wanted: dict[str, list[str]] = {}
    for tenant in map(tenancy.view, tenants):
        for model in tenant.models:
            wanted.setdefault(model, []).append(tenant.name)
    present = {str(model) for model in models}
    return [
        {"model": model, "inRegistry": model in present, "wantedBy": wanted.get(model, [])}
        for model in sorted(present | set(wanted))
    ]
