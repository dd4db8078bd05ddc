"""What a model costs a node of the sandbox: one image that homes share, against a private volume for each.

    python -m bench.models

Both forms run in one go on the same node: Ollamas with the product's own objects, one, two and ten of them, each of
which loads the model. Disk and page cache are those of all files with the weights. Then a home that shares takes a
model that the node has.
"""

import asyncio
import functools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from bench.common import figures, machine
from bench.common.figures import Figure
from bench.sharing import additions, copies, servers
from bench.sharing.additions import Addition
from bench.sharing.copies import Copies
from insula.cli.cluster import Cluster
from insula.domain.models import ModelForm, ModelImage
from insula.domain.platform import Platform
from insula.domain.tenants import Tenant
from insula.kube import config
from insula.kube.client import Client
from insula.ollama import images
from insula.ollama.manifests import LAYER_TYPE, Blob, parse_manifest
from insula.ollama.names import ModelName
from insula.ollama.registry import open_registry
from insula.sandbox import registries
from insula.sandbox.layout import NODE_NAMES, Layout
from insula.services import verifying

RESULTS: Final = Path(__file__).parent / "results" / "models.json"
COUNTS: Final = (1, 2, 10)
ONE_COPY: Final = 1.05  # the tree around the weights, and the file system's own
PLATFORM_GOAL_S: Final = 1.0
MIB: Final = 1 << 20


@dataclass
class Taken:
    """What was measured. `by_count`: form → number of tenants → the copies that the node had."""

    weights: Blob
    by_count: dict[ModelForm, dict[int, Copies]] = field(default_factory=dict)
    pulls_s: list[float] = field(default_factory=list)
    additions: list[Addition] = field(default_factory=list)
    load: float = field(default_factory=machine.load)


def main(
    *,
    model: Annotated[str, typer.Option(help="A model that the platform shares.")] = "gemma3:270m",
    times: Annotated[int, typer.Option(min=1, help="How often the model is added.")] = 5,
    results: Annotated[Path, typer.Option(help="Where the figures go.")] = RESULTS,
) -> None:
    """Measure, print and write the figures."""
    taken = asyncio.run(_measure(model, times))
    made = _figures(taken)
    figures.show(made)
    figures.write(results, made, model=model, weights_bytes=taken.weights.size)


async def _measure(model: str, times: int) -> Taken:
    async with Client(config.find()) as client:
        platform = await verifying.read_platform(Cluster(client))
        image = next(each for each in platform.model_images if each.model == model)
        weights, layer = await _parts(registries.url(Layout.default()), ModelName.parse(model), image)
        taken = Taken(weights)
        for form in (ModelForm.IMAGE, ModelForm.VOLUME):
            tenants = [servers.a_tenant(number, image, form) for number in range(1, max(COUNTS) + 1)]
            await _count(client, platform, tenants, layer, taken)
        try:
            await additions.prepare(client)
            for _ in range(times):
                taken.additions.append(await additions.measure(client, model))
                print(json.dumps(vars(taken.additions[-1])), flush=True)
        finally:
            await additions.remove(client)
    return taken


async def _count(client: Client, platform: Platform, tenants: list[Tenant], layer: str, taken: Taken) -> None:
    """Start Ollamas of one form one after the other, and look at the node when there are one, two and ten."""
    layout, form = Layout.default(), tenants[0].ollama.model_form
    look = functools.partial(copies.look, layout, NODE_NAMES[0], taken.weights, layer)
    # What is there before belongs to others: private copies of homes, and for private ones the image, too.
    already = look(volumes_alone=form is ModelForm.IMAGE)
    found = taken.by_count.setdefault(form, {})
    try:
        for number, tenant in enumerate(tenants, start=1):
            pulled_s = await servers.start(client, tenant, platform)
            if pulled_s:
                taken.pulls_s.append(pulled_s)
            await servers.load(client, tenant)
            if number in COUNTS:
                found[number] = _less(await asyncio.to_thread(look), already)
                print(form, number, found[number], flush=True)
    finally:
        await servers.remove(client, tenants)


def _less(now: Copies, already: Copies) -> Copies:
    """Return what has come since."""
    return Copies(
        now.files - already.files,
        now.disk_bytes - already.disk_bytes,
        now.cached_bytes - already.cached_bytes,
    )


async def _parts(registry_url: str, name: ModelName, image: ModelImage) -> tuple[Blob, str]:
    """Return the blob of the weights, and the digest of the image's layer."""
    async with open_registry(registry_url) as registry:
        manifest = await registry.read_manifest(name)
        repository = images.repository(name)
        index, _ = await registry.read_document(repository, image.image.partition("@")[2], images.INDEX_TYPE)
        first = json.loads(index)["manifests"][0]["digest"]
        raw, _ = await registry.read_document(repository, first, images.MANIFEST_TYPE)
    weights = next(blob for blob in manifest.layers if blob.media_type == LAYER_TYPE.format("model"))
    return weights, parse_manifest(raw).layers[0].digest


def _figures(taken: Taken) -> list[Figure]:
    shared, private = taken.by_count[ModelForm.IMAGE], taken.by_count[ModelForm.VOLUME]
    most, size = max(COUNTS), taken.weights.size
    how = f"load before {taken.load:.1f}; {shared[most].files} file(s) against {private[most].files}"
    peer: dict[str, Any] = {"peer_name": "a private volume for each home, same run"}
    adding = [each.whole for each in taken.additions]
    ratios = [
        Figure(
            f"{what}_ratio_{most}_tenants",
            [getattr(shared[most], field_name) / size],
            "copies",
            goal=ONE_COPY,
            peer=getattr(private[most], field_name) / size,
            limited_by=how,
            **peer,
        )
        for what, field_name in (("disk", "disk_bytes"), ("page_cache", "cached_bytes"))
    ]
    each_count = [
        Figure(
            f"{what}_mib_{count}_tenants",
            [getattr(shared[count], field_name) / MIB],
            "MiB",
            peer=getattr(private[count], field_name) / MIB,
            **peer,
        )
        for what, field_name in (("disk", "disk_bytes"), ("page_cache", "cached_bytes"))
        for count in COUNTS
    ]
    pull = Figure("pull_job_seconds", taken.pulls_s, "s")
    return [
        *ratios,
        Figure(
            "add_present_model_seconds",
            adding,
            "s",
            peer=pull.median,
            peer_name="the pull Job of a private volume, same run",
            limited_by="the restart of Ollama's pod, to which no volume can be added while it runs",
        ),
        Figure(
            "add_present_model_platform_seconds",
            [each.platform for each in taken.additions],
            "s",
            goal=PLATFORM_GOAL_S,
            limited_by=f"looked at every {additions.LOOK_EVERY_S * 1000:.0f} ms",
        ),
        Figure("add_present_model_restart_seconds", [each.restart for each in taken.additions], "s"),
        pull,
        *each_count,
    ]


if __name__ == "__main__":
    typer.run(main)
