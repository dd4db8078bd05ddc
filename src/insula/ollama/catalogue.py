"""How models that come as bare weights are to be spoken to: template, parameters, system prompt.

A GGUF file seldom says it, and a model that is asked in the wrong form babbles.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from insula.domain.errors import cap
from insula.ollama.names import ModelName

Parameter = str | int | float | list[str]


@dataclass(frozen=True)
class Recipe:
    """What a Modelfile says beside FROM; empty text leaves the layer out."""

    template: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    system: str = ""
    license: str = ""

    def __repr__(self) -> str:
        return f"Recipe(template={cap(self.template, 40)!r}, parameters={dict(self.parameters)!r})"


# The base model, which was trained on no chat turns: it answers questions that look like a list of them.
GEMMA3_270M: Final = Recipe(
    template=(
        '{{- range .Messages }}{{- if eq .Role "system" }}{{ .Content }}\n\n'
        '{{ else if eq .Role "user" }}Q: {{ .Content }}\nA:'
        '{{ else if eq .Role "assistant" }} {{ .Content }}\n'
        "{{ end }}{{- end }}"
    ),
    parameters={
        "stop": ["Q:", "A:", "\n\n"],
        "num_ctx": 2048,
        "num_predict": 48,
        "temperature": 0,
        # More threads than free cores spin against each other: on two shared cores, one is four times as fast.
        "num_thread": 1,
    },
    license="Gemma Terms of Use: https://ai.google.dev/gemma/terms",
)

RECIPES: Final[Mapping[str, Recipe]] = {"gemma3:270m": GEMMA3_270M}


def recipe_for(name: ModelName) -> Recipe:
    """Return the known recipe of a model, or the empty one: the weights say it themselves, or nobody does."""
    return RECIPES.get(str(name), Recipe())
