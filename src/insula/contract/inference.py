"""What a provider writes of prompts: how much of a model a plan's homes get, and when."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from insula.contract.base import Model, Shape
from insula.domain import times
from insula.domain.inference import Inference, Priority

SHORTEST_REST_S: Final = 10
Duration = Annotated[
    str,
    Field(max_length=8),
    Shape(r"[1-9][0-9]{0,5}(s|m|h|d)", "a time is a number and a unit, for example 90s, 30m, 12h or 7d"),
]


def _long_enough(text: str) -> str:
    if times.seconds(text) < SHORTEST_REST_S:
        raise ValueError(f"an Ollama stops after {SHORTEST_REST_S} s or more: starting it takes about as long")
    return text


# After how long without a prompt an Ollama stops.
Rest = Annotated[Duration, AfterValidator(_long_enough)]


class InferenceSpec(Model):
    """How the gateway treats the prompts of this plan's homes."""

    parallel: Annotated[int, Field(ge=1, le=16)] = 1
    """How many prompts one Ollama computes at a time. Each more takes memory for one more context."""

    context_tokens: Annotated[int, Field(ge=512, le=1048576)] = 8192
    """The context of every prompt in tokens, whatever its client asks for: another one would load the model anew."""

    keep_alive: Duration | None = None
    """How long a model stays loaded after its last prompt, at most, for example 30m. Absent: as long as Ollama runs."""

    max_answer: Duration = "10m"
    """How long one answer may take; then it is broken off."""

    priority: Literal["interactive", "batch"] = "interactive"
    """The class of the homes' prompts: batch waits until no interactive prompt does."""

    gpu_seconds_per_day: Annotated[int | None, Field(ge=1, le=86400 * 16)] = None
    """How many seconds a model may compute for a home in a day (UTC). Absent: without end."""

    overdraft: bool = False
    """Whether prompts beyond the day's seconds are computed all the same, as batch. Otherwise they wait for the day's
    end (429)."""

    cache: bool = True
    """Whether an answer that cannot differ (temperature 0 or a seed, no tools; embeddings) is given again from memory,
    to its own home alone."""

    sleep_after: Rest | None = None
    """After how long without a prompt a home's Ollama stops, 10s or more; the next prompt starts it. Absent: never."""

    def to_domain(self) -> Inference:
        """Return the same in seconds."""
        return Inference(
            parallel=self.parallel,
            context_tokens=self.context_tokens,
            keep_alive_s=times.seconds(self.keep_alive) if self.keep_alive else None,
            answer_s=times.seconds(self.max_answer),
            priority=Priority(self.priority),
            gpu_seconds_per_day=self.gpu_seconds_per_day,
            overdraft=self.overdraft,
            cache=self.cache,
            sleep_after_s=times.seconds(self.sleep_after) if self.sleep_after else None,
        )
