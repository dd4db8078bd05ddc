"""What a plan says of a prompt, put into it: how long its model stays loaded, and how large its context is.

A client that names another context than the last one makes Ollama load the model anew, and one that keeps a model for
ever (Home Assistant's default) keeps its memory from everybody.
"""

import re
from dataclasses import replace
from typing import Any, Final

from insula.domain.inference import Inference
from insula.gateway import prompts
from insula.gateway.prompts import Prompt

# A duration as Go writes it, which Ollama reads: 300ms, 5m, 1h30m, -1m.
_DURATION: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))*")
_PART: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_UNIT_S: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def clamp(prompt: Prompt, policy: Inference) -> Prompt:
    """Return the prompt as the plan lets it go on; the same bytes where it already is so.

    OpenAI's API knows neither setting, so Ollama takes both from its environment, which the plan makes.

    Raises:
        BadRequestError: What must be changed is nested deeper than any request is.
    """
    if prompt.endpoint.openai:
        return prompt
    changes = {**_keep_alive(prompt, policy), **_options(prompt, policy)}
    if not changes:
        return prompt
    document = {**prompt.document, **changes}
    return replace(prompt, document=document, body=prompts.write(document))


def _keep_alive(prompt: Prompt, policy: Inference) -> dict[str, Any]:
    most, asked = policy.keep_alive_s, prompt.document.get("keep_alive")
    if most is None or asked is None:
        return {}
    asked_s = seconds(asked)
    return {"keep_alive": f"{most}s"} if asked_s is not None and not 0 <= asked_s <= most else {}


def _options(prompt: Prompt, policy: Inference) -> dict[str, Any]:
    options = prompt.document.get("options")
    if not isinstance(options, dict) or options.get("num_ctx") in (None, policy.context_tokens):
        return {}
    return {"options": {**options, "num_ctx": policy.context_tokens}}


def seconds(keep_alive: Any) -> float | None:
    """Return a `keep_alive` in seconds, below 0: for ever; None: Ollama itself refuses it."""
    if isinstance(keep_alive, int | float) and not isinstance(keep_alive, bool):
        return float(keep_alive)
    if not isinstance(keep_alive, str) or not _DURATION.fullmatch(keep_alive):
        return None
    length = sum(float(number) * _UNIT_S[unit] for number, unit in _PART.findall(keep_alive))
    return -length if keep_alive.startswith("-") else length
