"""A real Ollama with a small real model on this machine's loopback, for tests that need its own behaviour."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from insula.ollama.adding import config_of, layer_blob, texts_of
from insula.ollama.catalogue import recipe_for
from insula.ollama.client import open_ollama
from insula.ollama.gguf import read_weights
from insula.ollama.manifests import CONFIG_TYPE, LAYER_TYPE, Blob, build_manifest, digest_of
from insula.ollama.names import ModelName
from insula.ollama.store import Store as ModelStore
from insula.sandbox.builds import product
from insula.sandbox.builds.graph import Graph
from insula.sandbox.builds.store import Store
from insula.sandbox.progress import PlainProgress

MODEL = product.MODEL
START_S = 30.0


async def find() -> tuple[Path, Path]:
    """Return Ollama's program and the model's weights; what the cache lacks is built, which takes minutes once."""
    results = await Graph(Store.default(), PlainProgress(sys.stderr)).run((product.ollama, product.model))
    program = results[product.ollama.name] / "bin" / "ollama"
    return program, results[product.model.name] / product.MODEL_FILE


def lay(models: Path, weights: Path) -> None:
    """Lay a store with the model into `models`; the weights stay where they are."""
    store, name = ModelStore(models), ModelName.parse(MODEL)
    main = Blob(f"sha256:{product.MODEL_SHA256}", weights.stat().st_size, LAYER_TYPE.format("model"))
    texts = [(layer_blob(kind, content), content) for kind, content in texts_of(recipe_for(name))]
    layers = (main, *(blob for blob, _ in texts))
    config = config_of(read_weights(weights), layers)
    (models / "blobs").mkdir(parents=True)
    store.blob_path(main.digest).symlink_to(weights)
    for content in (config, *(content for _, content in texts)):
        store.blob_path(digest_of(content)).write_bytes(content)
    store.write_manifest(name, build_manifest(Blob(digest_of(config), len(config), CONFIG_TYPE), layers))


@contextlib.asynccontextmanager
async def a_real_ollama(directory: Path) -> AsyncIterator[int]:
    """Start an Ollama that keeps its files below `directory`; give its port, and end it afterwards."""
    program, weights = await find()
    await asyncio.to_thread(lay, directory / "models", weights)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "OLLAMA_HOST": f"127.0.0.1:{port}",
        "OLLAMA_MODELS": str(directory / "models"),
        "OLLAMA_NUM_PARALLEL": "1",
        "OLLAMA_MAX_LOADED_MODELS": "1",
        "OLLAMA_CONTEXT_LENGTH": "2048",
        "OLLAMA_KEEP_ALIVE": "-1",
        "OLLAMA_NOPRUNE": "1",
        "OLLAMA_NO_CLOUD": "1",
    }
    with (directory / "ollama.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(program, "serve", env=environment, stdout=log, stderr=log)
        try:
            await _answering(port)
            yield port
        finally:
            process.terminate()
            await process.wait()


async def _answering(port: int) -> None:
    async with asyncio.timeout(START_S):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            await asyncio.sleep(0.05)
    async with open_ollama(f"http://127.0.0.1:{port}") as ollama:
        await ollama.version()
