"""An automation that asks the same again is answered from memory, and the provider sees how often that was so."""

import json
from typing import Any

from e2e.house import Home, insula, until

# Asks the home's own Ollama twice for what cannot differ; prints what came of the cache, and what was said.
ASK_TWICE = """
import json, sys, urllib.request
url, key, text = sys.argv[1:]
document = {"model": "gemma3:270m", "stream": False, "options": {"temperature": 0},
            "messages": [{"role": "user", "content": text}]}
def ask():
    request = urllib.request.Request(url, json.dumps(document).encode(), {"Authorization": "Bearer " + key})
    with urllib.request.urlopen(request, timeout=60) as answer:
        said = json.load(answer)
        return answer.headers["X-Insula-Cache"], said["message"]["content"], said["done_reason"]
print(json.dumps([ask(), ask()]))
"""


def counted(name: str) -> dict[str, Any]:
    rows = json.loads(insula("cache", "stats", "-o", "json").stdout)
    return next((dict(row["results"]) for row in rows if row["tenant"] == name), {})


def test_the_same_prompt_is_computed_once_and_counted(alice: Home) -> None:
    before = counted(alice.name)
    (_, first, ended), (result, second, _) = alice.inside(ASK_TWICE, "http://ollama:11434/api/chat", alice.key, "hi")
    assert ended == "stop"
    assert (result, second) == ("hit", first)
    until("alice's hit being counted", lambda: counted(alice.name).get("hit", 0) > before.get("hit", 0))
