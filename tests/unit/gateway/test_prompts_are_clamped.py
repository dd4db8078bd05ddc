import json
from typing import Any

import pytest

from insula.domain.inference import Inference
from insula.gateway import clamping, paths, prompts

PLAN = Inference(keep_alive_s=1800, context_tokens=8192)


def clamped(document: dict[str, Any], policy: Inference = PLAN, path: str = "/api/chat") -> dict[str, Any]:
    endpoint = paths.find("POST", path)
    assert endpoint is not None
    prompt = clamping.clamp(prompts.parse(json.dumps(document).encode(), endpoint, path), policy)
    said: dict[str, Any] = json.loads(prompt.body)
    assert said == prompt.document
    return said


@pytest.mark.parametrize("asked", [-1, "-1m", 1801, "31m", "1h30m", 1e9, "30m1ms"])
def test_a_model_stays_loaded_no_longer_than_the_plan_says(asked: Any) -> None:
    assert clamped({"model": "m", "keep_alive": asked})["keep_alive"] == "1800s"


@pytest.mark.parametrize("asked", [0, 5, "5m", "1800s", "0.5h", "soon", "", True, None, [], "-1"])
def test_what_the_plan_allows_and_what_ollama_itself_refuses_stay(asked: Any) -> None:
    assert clamped({"model": "m", "keep_alive": asked})["keep_alive"] == asked


def test_a_plan_without_a_limit_lets_a_model_stay_for_ever() -> None:
    assert clamped({"model": "m", "keep_alive": -1}, Inference())["keep_alive"] == -1


def test_every_prompt_has_the_plans_context_and_keeps_its_other_options() -> None:
    said = clamped({"model": "m", "options": {"num_ctx": 2048, "temperature": 0}})
    assert said["options"] == {"num_ctx": 8192, "temperature": 0}


def test_what_needs_no_change_goes_on_in_the_same_bytes() -> None:
    body = b'{"model" : "m", "options":{"num_ctx":8192},  "keep_alive":"5m", "prompt":"\\u20ac \xc3\xa9"}'
    endpoint = paths.find("POST", "/api/generate")
    assert endpoint is not None
    prompt = prompts.parse(body, endpoint, "/api/generate")
    assert clamping.clamp(prompt, PLAN) is prompt


def test_openais_api_has_no_such_settings() -> None:
    said = {"model": "m", "keep_alive": -1, "options": {"num_ctx": 1}}
    assert clamped(said, path="/v1/chat/completions") == said


LARGE, USUAL = b'{"num_ctx":65536}', b'{"num_ctx":8192}'


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","Options":' + LARGE + b',"Keep_Alive":-1}',
        '{"model":"m","optionſ":{"num_ctx":65536},"Keep_alive":-1}'.encode(),
        b'{"model":"m","options":' + USUAL + b',"OPTIONS":' + LARGE + b',"keep_alive":"1m","KEEP_ALIVE":-1}',
        b'{"model":"m","options":' + LARGE + b',"options":' + USUAL + b',"keep_alive":-1,"keep_alive":"5m"}',
        b'{"model":"m","opti\\u006fns":' + LARGE + b',"options":' + USUAL + b',"keep_alive":-1,"keep_alive":"5m"}',
    ],
)
def test_no_other_spelling_gets_around_the_plan(body: bytes) -> None:
    """Ollama would read each of these as a large context: it tells no case, and joins what stands twice."""
    endpoint = paths.find("POST", "/api/chat")
    assert endpoint is not None
    sent = clamping.clamp(prompts.parse(body, endpoint, "/api/chat"), PLAN).body
    pairs: list[tuple[str, Any]] = json.loads(sent, object_pairs_hook=lambda found: found)
    assert sorted(name for name, _ in pairs) == ["keep_alive", "model", "options"]
    assert dict(pairs)["options"] == [("num_ctx", 8192)]
    assert dict(pairs)["keep_alive"] in ("1800s", "5m")
