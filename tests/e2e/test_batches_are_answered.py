"""A batch of a home's is answered by its own Ollama, through the API server and the gateway."""

import json
from pathlib import Path
from typing import Any

from e2e.house import MODEL, Home, insula, until

DONE_S = 180.0


def test_a_batch_is_submitted_answered_fetched_and_forgotten(alice: Home, tmp_path: Path) -> None:
    body = {"model": MODEL, "prompt": "Say yes.", "options": {"num_predict": 8}}
    chat = {"model": MODEL, "messages": [{"role": "user", "content": "Say no."}], "max_tokens": 8}
    lines = [
        {"custom_id": "one", "url": "/api/generate", "body": body},
        {"custom_id": "two", "url": "/v1/chat/completions", "body": chat},
        {"custom_id": "three", "url": "/api/generate", "body": body | {"model": "nobody:has"}},
    ]
    file = tmp_path / "prompts.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    batch = insula("batch", "submit", alice.name, str(file)).stdout.strip()
    try:
        told = until("the batch being done", lambda: completed(alice, batch), timeout_s=DONE_S)
        assert told["request_counts"] == {"total": 3, "completed": 2, "failed": 1}
        found = insula("batch", "results", alice.name, batch).stdout.splitlines()
        answers: dict[str, Any] = {each["custom_id"]: each["response"] for each in map(json.loads, found)}
        assert answers["one"]["body"]["eval_count"] > 0
        assert answers["two"]["body"]["choices"][0]["message"]["content"]
        assert answers["three"]["status_code"] == 404
    finally:
        insula("batch", "cancel", alice.name, batch)
    assert insula("batch", "status", alice.name, batch, check=False).returncode == 3
    until("its prompts being booked as batch", lambda: booked(alice), timeout_s=20)


def completed(home: Home, batch: str) -> dict[str, Any] | None:
    (told,) = json.loads(insula("batch", "status", home.name, batch, "-o", "json").stdout)
    return told if told["status"] == "completed" else None


def booked(home: Home) -> bool:
    entries = json.loads(insula("usage", home.name, "--since", "1d", "-o", "json").stdout)
    return any(each["class"] == "batch" for each in entries)
