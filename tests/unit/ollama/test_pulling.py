"""Bringing a model from a registry into Ollama's store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from plain_registry import PlainRegistry, a_plain_registry
from weights import a_gguf_file

from insula.domain.errors import NotFoundError, RefusedError, UnavailableError
from insula.ollama.adding import push_model
from insula.ollama.catalogue import GEMMA3_270M
from insula.ollama.manifests import parse_manifest
from insula.ollama.names import ModelName
from insula.ollama.pulling import pull_model
from insula.ollama.registry import open_registry
from insula.ollama.store import Store

GEMMA = ModelName.parse("gemma3:270m")
BIG = b"weights" * 500_000


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[PlainRegistry]:
    async with a_plain_registry() as registry:
        await push_model(registry.url, "gemma3:270m", a_gguf_file(tmp_path / "m.gguf", BIG), GEMMA3_270M)
        registry.asked.clear()
        yield registry


async def pull(registry: PlainRegistry, store: Store, reports: list[tuple[int, int]] | None = None) -> str:
    seen = [] if reports is None else reports
    async with open_registry(registry.url) as opened:
        return await pull_model(opened, GEMMA, store, lambda *report: seen.append(report), first_wait_s=0.0)


def blobs_asked(registry: PlainRegistry) -> list[str]:
    return [line for line in registry.asked if line.startswith("GET") and "/blobs/" in line]


async def test_a_pulled_model_lies_where_ollama_looks(registry: PlainRegistry, tmp_path: Path) -> None:
    store = Store(tmp_path / "models")
    digest = await pull(registry, store)
    raw = (tmp_path / "models/manifests/registry.ollama.ai/library/gemma3/270m").read_bytes()
    assert raw == registry.manifests["library/gemma3:270m"]
    for blob in parse_manifest(raw).blobs:
        content = (tmp_path / "models/blobs" / blob.digest.replace(":", "-")).read_bytes()
        assert content == registry.blobs[blob.digest]
    assert store.installed() == {GEMMA: digest}


async def test_a_second_pull_fetches_no_blob(registry: PlainRegistry, tmp_path: Path) -> None:
    await pull(registry, Store(tmp_path / "models"))
    registry.asked.clear()
    await pull(registry, Store(tmp_path / "models"))
    assert blobs_asked(registry) == []


async def test_a_cut_connection_is_resumed_where_it_ended(registry: PlainRegistry, tmp_path: Path) -> None:
    registry.cut_at = 1 << 20
    await pull(registry, Store(tmp_path / "models"))
    assert sum("bytes=" in line for line in blobs_asked(registry)) == 1


async def test_what_a_killed_job_left_is_gone_on_with(registry: PlainRegistry, tmp_path: Path) -> None:
    store = Store(tmp_path / "models")
    main = parse_manifest(registry.manifests["library/gemma3:270m"]).layers[0]
    store.partial_path(main.digest).parent.mkdir(parents=True)
    store.partial_path(main.digest).write_bytes(registry.blobs[main.digest][:1000])
    await pull(registry, store)
    assert any("bytes=1000-" in line for line in blobs_asked(registry))


async def test_a_registry_that_cannot_resume_is_read_from_the_start(registry: PlainRegistry, tmp_path: Path) -> None:
    registry.resumes, registry.cut_at = False, 1 << 20
    digest = await pull(registry, Store(tmp_path / "models"))
    assert Store(tmp_path / "models").installed() == {GEMMA: digest}


async def test_a_damaged_blob_is_fetched_anew(registry: PlainRegistry, tmp_path: Path) -> None:
    registry.damage = True
    digest = await pull(registry, Store(tmp_path / "models"))
    assert Store(tmp_path / "models").installed() == {GEMMA: digest}


async def test_blobs_may_lie_at_another_host(registry: PlainRegistry, tmp_path: Path) -> None:
    registry.sends_blobs_elsewhere, registry.cut_at = True, 1 << 20
    digest = await pull(registry, Store(tmp_path / "models"))
    assert Store(tmp_path / "models").installed() == {GEMMA: digest}


async def test_ollama_sees_no_model_before_it_is_whole(registry: PlainRegistry, tmp_path: Path) -> None:
    store = Store(tmp_path / "models")
    del registry.blobs[parse_manifest(registry.manifests["library/gemma3:270m"]).layers[-1].digest]
    with pytest.raises(NotFoundError):
        await pull(registry, store)
    assert store.installed() == {}


async def test_models_that_are_no_longer_wanted_go_with_their_blobs(registry: PlainRegistry, tmp_path: Path) -> None:
    await push_model(registry.url, "other", a_gguf_file(tmp_path / "o.gguf", b"other"), GEMMA3_270M)
    store = Store(tmp_path / "models")
    async with open_registry(registry.url) as opened:
        await pull_model(opened, ModelName.parse("other"), store, lambda *_: None)
        await pull_model(opened, GEMMA, store, lambda *_: None)
    store.partial_path("sha256:0").write_bytes(b"half")
    assert store.keep_only({GEMMA}) == [ModelName.parse("other")]
    assert set(store.installed()) == {GEMMA}
    manifest = parse_manifest(registry.manifests["library/gemma3:270m"])
    assert set((store.root / "blobs").iterdir()) == {store.blob_path(blob.digest) for blob in manifest.blobs}
    assert not store.partial_path("sha256:0").exists()
    assert store.missing(manifest) == []


async def test_progress_ends_with_the_whole_and_never_goes_back(registry: PlainRegistry, tmp_path: Path) -> None:
    reports: list[tuple[int, int]] = []
    await pull(registry, Store(tmp_path / "models"), reports)
    assert reports[0][0] == 0
    assert reports[-1][0] == reports[-1][1]
    assert reports == sorted(reports)


async def test_an_unknown_model_is_named_in_the_error(registry: PlainRegistry, tmp_path: Path) -> None:
    async with open_registry(registry.url) as opened:
        with pytest.raises(NotFoundError, match="does not have other:latest"):
            await pull_model(opened, ModelName.parse("other"), Store(tmp_path), lambda *_: None)


async def test_a_model_that_does_not_fit_is_refused_before_anything_is_fetched(
    registry: PlainRegistry, tmp_path: Path
) -> None:
    raw = registry.manifests["library/gemma3:270m"]
    registry.manifests["library/gemma3:270m"] = raw.replace(
        f'"size":{parse_manifest(raw).layers[0].size}'.encode(), b'"size":9000000000000000'
    )
    with pytest.raises(RefusedError, match="GiB are needed"):
        await pull(registry, Store(tmp_path / "models"))
    assert blobs_asked(registry) == []


@pytest.mark.parametrize(("status", "kind"), [(403, RefusedError), (503, UnavailableError), (429, UnavailableError)])
async def test_a_registry_that_says_no_is_told_from_one_that_is_down(
    registry: PlainRegistry, tmp_path: Path, status: int, kind: type[Exception]
) -> None:
    registry.status = status
    with pytest.raises(kind):
        await pull(registry, Store(tmp_path / "models"))


@pytest.mark.parametrize(
    "raw", [b"<html>", b"{}", b'{"config": 1, "layers": []}', b'{"config":{"digest":"../x","size":1}}']
)
def test_what_is_no_manifest_is_refused(raw: bytes) -> None:
    with pytest.raises(RefusedError):
        parse_manifest(raw)
