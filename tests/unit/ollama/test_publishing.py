"""A model as an image: made, uploaded, found again, removed."""

import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from plain_registry import PlainRegistry, a_plain_registry
from weights import a_gguf_file

from insula.domain.errors import NotFoundError, RefusedError, UnavailableError
from insula.domain.models import ModelImage
from insula.ollama import images, stock
from insula.ollama.adding import image_of, push_model
from insula.ollama.catalogue import GEMMA3_270M, Recipe
from insula.ollama.manifests import Blob, build_manifest, digest_of, parse_manifest
from insula.ollama.names import ModelName
from insula.ollama.publishing import publish
from insula.ollama.registry import open_registry
from insula.ollama.store import Store

NAME = ModelName.parse("gemma3:270m")
IMAGE = "model-images/library/gemma3:270m"


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[PlainRegistry]:
    async with a_plain_registry() as registry:
        await push_model(registry.url, "gemma3:270m", a_gguf_file(tmp_path / "m.gguf"), GEMMA3_270M)
        yield registry


async def published(registry: PlainRegistry, *, again: bool = False) -> ModelImage:
    async with open_registry(registry.url) as opened:
        return await publish(opened, opened, NAME, "nodes.test:5000", lambda _done, _whole: None, again=again)


def layer_of(registry: PlainRegistry, image: ModelImage) -> bytes:
    index = image.image.partition("@")[2]
    assert registry.manifests[IMAGE] == next(
        raw for name, raw in registry.manifests.items() if name == IMAGE and digest_of(raw) == index
    )
    manifest = next(
        raw for name, raw in registry.manifests.items() if name.startswith("model-images/library/gemma3:sha")
    )
    (layer,) = parse_manifest(manifest).layers
    return registry.blobs[layer.digest]


async def test_the_layer_of_an_image_is_a_store_that_holds_the_model(registry: PlainRegistry, tmp_path: Path) -> None:
    image = await published(registry)
    with tarfile.open(fileobj=io.BytesIO(layer_of(registry, image))) as tar:
        tar.extractall(tmp_path / "store", filter="tar")
    store = Store(tmp_path / "store")
    assert store.installed() == {NAME: image.digest}
    assert store.missing(parse_manifest((store.root / NAME.manifest_path).read_bytes())) == []


async def test_nobody_may_write_into_the_files_of_a_layer(registry: PlainRegistry) -> None:
    with tarfile.open(fileobj=io.BytesIO(layer_of(registry, await published(registry)))) as tar:
        files = [member for member in tar if member.isfile()]
        assert {(member.mode, member.uid, member.gid, member.mtime) for member in files} == {(0o444, 0, 0, 0)}


async def test_an_image_is_named_by_its_digest_and_knows_the_models_own(registry: PlainRegistry) -> None:
    image = await published(registry)
    manifest = registry.manifests["library/gemma3:270m"]
    digest = digest_of(registry.manifests[IMAGE])
    assert image.image == f"nodes.test:5000/model-images/library/gemma3@{digest}"
    assert (image.digest, image.size) == (digest_of(manifest), parse_manifest(manifest).size)


async def test_the_same_model_makes_the_same_image_in_another_registry(registry: PlainRegistry, tmp_path: Path) -> None:
    async with a_plain_registry() as other:
        await push_model(other.url, "gemma3:270m", tmp_path / "m.gguf", GEMMA3_270M)
        assert await published(other) == await published(registry)


async def test_an_image_is_known_before_it_is_made(registry: PlainRegistry, tmp_path: Path) -> None:
    foreseen = image_of(NAME, tmp_path / "m.gguf", GEMMA3_270M, "nodes.test:5000")
    assert await published(registry) == foreseen


async def test_an_image_that_is_there_is_not_made_again(registry: PlainRegistry) -> None:
    first = await published(registry)
    registry.asked.clear()
    assert await published(registry) == first
    assert not any(line.startswith(("POST", "PUT", "PATCH")) for line in registry.asked)


async def test_a_changed_model_makes_another_image(registry: PlainRegistry, tmp_path: Path) -> None:
    first = await published(registry)
    await push_model(registry.url, "gemma3:270m", tmp_path / "m.gguf", Recipe())
    assert (await published(registry)).image != first.image


async def test_another_copy_of_the_same_model_has_another_layer(registry: PlainRegistry) -> None:
    first = await published(registry)
    layer = layer_of(registry, first)
    for name in [name for name in registry.manifests if "@" in name or ":sha256" in name]:
        del registry.manifests[name]
    second = await published(registry, again=True)
    assert second.digest == first.digest
    assert second.image != first.image
    assert layer_of(registry, second) != layer


async def test_a_blob_that_comes_damaged_makes_no_image(registry: PlainRegistry) -> None:
    registry.damage = True
    with pytest.raises(UnavailableError, match="damaged"):
        await published(registry)
    assert IMAGE not in registry.manifests


async def test_what_is_not_in_the_registry_cannot_be_published(registry: PlainRegistry) -> None:
    async with open_registry(registry.url) as opened:
        with pytest.raises(NotFoundError, match="llama3:8b"):
            await publish(opened, opened, ModelName.parse("llama3:8b"), "x", lambda _done, _whole: None)


async def test_another_image_in_the_models_place_is_not_overwritten(registry: PlainRegistry) -> None:
    registry.manifests[IMAGE] = b"[]"
    with pytest.raises(RefusedError, match="no image of a model"):
        await published(registry)


async def test_images_of_models_are_not_listed_as_models_to_pull(registry: PlainRegistry) -> None:
    await published(registry)
    async with open_registry(registry.url) as opened:
        sizes, shared = await stock.take(opened)
    assert sizes == {"gemma3:270m": parse_manifest(registry.manifests["library/gemma3:270m"]).size}
    assert shared == {"gemma3:270m"}


async def test_other_images_in_the_registry_are_no_models(registry: PlainRegistry) -> None:
    other = build_manifest(Blob(digest_of(b"c"), 1, "x"), (Blob(digest_of(b"l"), 1, "tar"),))
    registry.manifests["team/program:1"] = other.raw
    registry.manifests["team/index:1"] = b'{"manifests": []}'
    async with open_registry(registry.url) as opened:
        sizes, _shared = await stock.take(opened)
    assert list(sizes) == ["gemma3:270m"]


async def test_a_removed_model_is_gone_in_both_forms(registry: PlainRegistry) -> None:
    await published(registry)
    async with open_registry(registry.url) as opened:
        await stock.remove(opened, NAME)
        await stock.remove(opened, NAME)
        assert await stock.take(opened) == ({}, frozenset())
    assert registry.manifests == {}


async def test_a_model_under_two_names_keeps_the_other_one(registry: PlainRegistry) -> None:
    registry.manifests["library/gemma3:same"] = registry.manifests["library/gemma3:270m"]
    async with open_registry(registry.url) as opened:
        await stock.remove(opened, NAME)
    assert list(registry.manifests) == ["library/gemma3:same"]


def test_a_layer_of_more_than_eight_gigabytes_has_its_size_in_its_header() -> None:
    large = Blob(digest_of(b"large"), 40 << 30, "application/vnd.ollama.image.model")
    manifest = build_manifest(large, (large,))
    content = list(images.layer(NAME, manifest))
    header = content[content.index(large) - 1]
    assert isinstance(header, bytes)
    assert tarfile.TarInfo.frombuf(header, "utf-8", "strict").size == 40 << 30
    assert images.size_of(content) % tarfile.RECORDSIZE == 0
