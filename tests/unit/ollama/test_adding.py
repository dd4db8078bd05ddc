"""Putting weights into a registry as a model."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from plain_registry import PlainRegistry, a_plain_registry
from weights import a_gguf_file

from insula.domain.errors import InvalidSpecError
from insula.ollama.adding import push_model
from insula.ollama.catalogue import GEMMA3_270M, Recipe, recipe_for
from insula.ollama.gguf import read_weights
from insula.ollama.manifests import digest_of, parse_manifest
from insula.ollama.names import ModelName
from insula.ollama.registry import open_registry


@pytest.fixture
async def registry() -> AsyncIterator[PlainRegistry]:
    async with a_plain_registry() as registry:
        yield registry


async def test_a_model_has_its_weights_template_licence_and_parameters(registry: PlainRegistry, tmp_path: Path) -> None:
    digest = await push_model(registry.url, "gemma3:270m", a_gguf_file(tmp_path / "m.gguf"), GEMMA3_270M)
    raw = registry.manifests["library/gemma3:270m"]
    assert digest == digest_of(raw)
    layers = {blob.media_type.rpartition(".")[2]: registry.blobs[blob.digest] for blob in parse_manifest(raw).layers}
    assert set(layers) == {"model", "template", "license", "params"}
    assert layers["model"] == (tmp_path / "m.gguf").read_bytes()
    assert layers["template"].decode() == GEMMA3_270M.template
    assert json.loads(layers["params"])["stop"] == ["Q:", "A:", "\n\n"]


async def test_the_config_says_what_the_weights_are(registry: PlainRegistry, tmp_path: Path) -> None:
    await push_model(registry.url, "gemma3:270m", a_gguf_file(tmp_path / "m.gguf"), Recipe())
    config = json.loads(registry.blobs[parse_manifest(registry.manifests["library/gemma3:270m"]).config.digest])
    assert config["model_family"] == "gemma3"
    assert config["file_type"] == "Q4_K_M"
    assert config["model_type"] == "640.64K"


async def test_adding_a_model_twice_sends_no_blob_again(registry: PlainRegistry, tmp_path: Path) -> None:
    file = a_gguf_file(tmp_path / "m.gguf")
    first = await push_model(registry.url, "gemma3:270m", file, GEMMA3_270M)
    registry.asked.clear()
    assert await push_model(registry.url, "gemma3:270m", file, GEMMA3_270M) == first
    assert not any(line.startswith("POST") for line in registry.asked)


async def test_a_registry_lists_its_models(registry: PlainRegistry, tmp_path: Path) -> None:
    file = a_gguf_file(tmp_path / "m.gguf")
    for name in ("gemma3:270m", "gemma3:other", "someone/llama"):
        await push_model(registry.url, name, file, Recipe())
    async with open_registry(registry.url) as opened:
        listed = await opened.list_models()
    assert [str(name) for name in listed] == ["gemma3:270m", "gemma3:other", "someone/llama:latest"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"GGUF\x03\x00\x00\x00\xff", b"GGUF" + b"\xff" * 64])
def test_what_is_no_gguf_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.gguf").write_bytes(content)
    with pytest.raises(InvalidSpecError):
        read_weights(tmp_path / "m.gguf")


def test_an_unknown_model_has_an_empty_recipe() -> None:
    assert recipe_for(ModelName.parse("llama3.2:3b")) == Recipe()
    assert recipe_for(ModelName.parse("gemma3:270m")) is GEMMA3_270M
