"""The Job that brings a tenant's models into Ollama's volume."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from insula.ollama.names import ModelName
from insula.ollama.pulling import pull_model
from insula.ollama.registry import open_registry
from insula.ollama.store import Store

# The operator reads the last line of the pod's log.
LINE_EVERY_S: Final = 1.0


class ProgressLines:
    """Prints how far a model is, at most one line a second, and always the last."""

    def __init__(self, model: str, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._model = model
        self._write = write
        self._clock = clock
        self._last = -LINE_EVERY_S

    def __call__(self, completed: int, total: int) -> None:
        """Take the bytes that are here and the bytes of the whole."""
        now = self._clock()
        if completed < total and now - self._last < LINE_EVERY_S:
            return
        self._last = now
        self._write(json.dumps({"model": self._model, "completed": completed, "total": total}))


async def pull(
    registry_url: str, store_path: Path, models: Sequence[str], write: Callable[[str], None]
) -> dict[str, str]:
    """Bring all models into the store, one after the other, then remove the others from it.

    Returns:
        The models' digests by their names as they were given.
    """
    names = {text: ModelName.parse(text) for text in models}
    store = Store(store_path)
    digests = {}
    async with open_registry(registry_url) as registry:
        for text, name in names.items():
            digests[text] = await pull_model(registry, name, store, ProgressLines(text, write))
    # Last, so that a home talks through its old model until the new one is whole.
    store.keep_only(names.values())
    return digests
