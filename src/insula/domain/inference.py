"""How the gateway treats a home's prompts: what a plan sells of the model besides its place."""

import json
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any


class Priority(StrEnum):
    """Whose turn it is when homes wait for the same processor."""

    INTERACTIVE = "interactive"
    """Somebody waits for the answer."""
    BATCH = "batch"
    """Nobody waits: it runs when nothing else does."""


@dataclass(frozen=True)
class Inference:
    """What a plan says of a home's prompts. Times in seconds.

    Attributes:
        parallel: How many prompts one Ollama computes at a time.
        context_tokens: The context that every prompt of the home gets, whatever its client asks for: another one
            would load the model anew.
        keep_alive_s: How long a model stays loaded after its last prompt, at most; None: as long as Ollama runs.
        answer_s: How long one answer may take.
        priority: The class of the home's prompts, unless a prompt asks for the lower one.
        gpu_seconds_per_day: How long the model may compute for the home in a day (UTC); None: without end.
        overdraft: Whether prompts beyond that are computed all the same, as batch.
        cache: Whether answers that cannot differ are given again from memory.
        alone: Whether the home computes on devices, or hardware's parts of them, that no other home uses.
        sleep_after_s: After how long without a prompt the home's Ollama stops; None: never.
    """

    parallel: int = 1
    context_tokens: int = 8192
    keep_alive_s: int | None = None
    answer_s: int = 600
    priority: Priority = Priority.INTERACTIVE
    gpu_seconds_per_day: int | None = None
    overdraft: bool = False
    cache: bool = True
    alone: bool = False
    sleep_after_s: int | None = None

    def to_text(self) -> str:
        """Return what differs from the default as compact JSON, "" when nothing does."""
        usual = Inference()
        written = {name: value for name, value in asdict(self).items() if value != getattr(usual, name)}
        return json.dumps(written, separators=(",", ":"), sort_keys=True) if written else ""

    @classmethod
    def from_text(cls, text: str) -> "Inference":
        """Read it back. What a person spoilt by hand reads as the default."""
        usual = cls()
        try:
            written: dict[str, Any] = json.loads(text or "{}")
            known = {field.name: written[field.name] for field in fields(cls) if field.name in written}
            return cls(**known | {"priority": Priority(known.get("priority", usual.priority))})
        except (ValueError, TypeError, AttributeError):
            return usual
