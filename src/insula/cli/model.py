"""`insula model`: put models into the cluster's registry, say what is there and who wants it, and clear up."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, Protocol

import typer
from yarl import URL

from insula.cli import output
from insula.cli.cluster import Cluster, connect, run
from insula.cli.output import Format, Output
from insula.domain.errors import InsulaError, NotFoundError
from insula.domain.manifests import Manifest
from insula.domain.models import REGISTRY_HOST, REGISTRY_NAMESPACE, ModelImage
from insula.ollama import adding, catalogue, publishing, stock
from insula.ollama.names import ModelName
from insula.ollama.registry import open_registry
from insula.services import models, tenancy, verifying

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Add models to the cluster's registry, list them and clear up.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Pods(Protocol):
    """What finding the registry needs from Kubernetes."""

    async def list(
        self, api_version: str, kind: str, *, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        """Return the objects of a kind that bear all the labels."""


REGISTRY_LABELS: Final = {"app": "registry"}
HEADINGS: Final = ("MODEL", "SIZE", "IN REGISTRY", "SHARED", "WANTED BY", "ON NODES")
Name = Annotated[str, typer.Argument(help="The model's name, as name:tag.", show_default=False)]
Registry = Annotated[
    str | None,
    typer.Option(envvar="INSULA_REGISTRY", help="The registry's URL; without it, the one that the sandbox runs."),
]


@app.command()
def add(
    name: Name,
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


@app.command()
def publish(
    name: Name,
    *,
    source: Annotated[
        str | None, typer.Option("--from", help="The registry that has the model; without it, --registry.")
    ] = None,
    registry: Registry = None,
    host: Annotated[
        str | None, typer.Option(help="What nodes call the registry, as host:port; without it, the host of its URL.")
    ] = None,
    again: Annotated[bool, typer.Option(help="Make another copy, to replace a damaged one on the nodes.")] = False,
    form: Output = Format.YAML,
) -> None:
    """Make an image of a model, which homes of a node share, and print its entry for the chart's values."""
    model = ModelName.parse(name)
    url = registry or run(find_registry)
    seen_as = host or (_host_of(url) if registry else REGISTRY_HOST)

    async def make() -> ModelImage:
        async with open_registry(source or url) as origin, open_registry(url) as target:
            return await publishing.publish(origin, target, model, seen_as, _Tenths(), again=again)

    made = asyncio.run(make())
    output.emit({"sharedModels": {"images": [made.to_values()]}}, Format.YAML if form is Format.TABLE else form)


@app.command("list")
def list_(registry: Registry = None, form: Output = Format.TABLE) -> None:
    """List models: their sizes, whether homes share them, who wants them, and the nodes that have them."""
    found = asyncio.run(_survey(registry))
    rows = models.overview(found.stock, found.shared, found.tenants, found.pods)
    if form is Format.TABLE:
        output.show(output.grid(HEADINGS, [_row(each) for each in rows]))
    else:
        output.emit(rows, form)


@app.command()
def prune(
    *,
    registry: Registry = None,
    dry_run: Annotated[bool, typer.Option(help="Say what would go, and remove nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    form: Output = Format.TABLE,
) -> None:
    """Remove models from the registry that no tenant wants and the platform does not name."""
    found = asyncio.run(_survey(registry, strict=True))
    chosen = models.unused(found.stock, found.shared, found.tenants)
    if chosen and not dry_run:
        if not yes:
            typer.confirm(f"Remove {', '.join(chosen)} from {found.url}?", abort=True, err=True)
        asyncio.run(_remove(found.url, chosen))
    if form is not Format.TABLE:
        output.emit({"removed": [] if dry_run else chosen, "unused": chosen}, form)
    elif not chosen:
        typer.echo("every model is wanted")
    else:
        typer.echo(f"{'would remove' if dry_run else 'removed'}: {', '.join(chosen)}")


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


@dataclass(frozen=True)
class _Survey:
    url: str
    stock: models.Stock
    shared: tuple[ModelImage, ...]
    tenants: list[Manifest]
    pods: list[Manifest]


async def _survey(registry: str | None, *, strict: bool = False) -> _Survey:
    """Look at registry and cluster; what this person may not see is left out, unless `strict`."""
    async with connect() as cluster:
        url = registry or await find_registry(cluster)
        async with open_registry(url) as opened:
            sizes, images = await stock.take(opened)
        tenants = await tenancy.look_at_all(cluster)
        try:
            shared = (await verifying.read_platform(cluster)).model_images
        except InsulaError:
            if strict:
                raise
            shared = ()
        pods = [*await _pods(cluster, models.KEEPERS), *await _pods(cluster, models.SERVERS)]
    return _Survey(url, models.Stock(sizes, images), shared, tenants, pods)


async def _pods(cluster: Cluster, labels: Mapping[str, str]) -> list[Manifest]:
    try:
        return await cluster.list("v1", "Pod", labels=labels)
    except InsulaError:
        return []


async def _remove(url: str, chosen: list[str]) -> None:
    async with open_registry(url) as opened:
        for model in chosen:
            await stock.remove(opened, ModelName.parse(model))


def _row(model: dict[str, Any]) -> tuple[str, ...]:
    size = f"{model['sizeBytes'] / 1e6:.0f} MB" if model["sizeBytes"] else ""
    nodes = [*model["nodes"], *(f"{node} (damaged)" for node in model["damagedOn"])]
    flags = ("yes" if model[key] else "no" for key in ("inRegistry", "shared"))
    return model["model"], size, *flags, ", ".join(model["wantedBy"]), ", ".join(nodes)


def _host_of(url: str) -> str:
    address = URL(url)
    return f"{address.host}:{address.port}" if not address.is_default_port() else str(address.host)


class _Tenths:
    """Tells a person how far something is, each tenth of it once."""

    def __init__(self) -> None:
        self._told = 0

    def __call__(self, completed: int, whole: int) -> None:
        tenth = 10 * completed // whole
        if tenth > self._told:
            self._told = tenth
            output.note(f"{10 * tenth} %")
