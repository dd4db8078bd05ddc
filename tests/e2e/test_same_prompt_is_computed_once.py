"""An automation that asks the same again is answered from memory, and the provider sees how often that was so."""

import json
from typing import Any

from e2e.house import Home, insula, until

# Asks the home's own Ollama thrice for what cannot differ; prints what came of the cache, and what was said.
ASK_THRICE = """
import json, sys, urllib.request
url, key, text = sys.argv[1:]
document = {"model": "gemma3:270m", "stream": False, "options": {"temperature": 0},
            "messages": [{"role": "user", "content": text}]}
def ask():
    request = urllib.request.Request(url, json.dumps(document).encode(), {"Authorization": "Bearer " + key})
    with urllib.request.urlopen(request, timeout=60) as answer:
        said = json.load(answer)
        return answer.headers["X-Insula-Cache"], said["message"]["content"], said["done_reason"]
print(json.dumps([ask(), ask(), ask()]))
"""


def counted(name: str) -> dict[str, Any]:
    rows = json.loads(insula("cache", "stats", "-o", "json").stdout)
    return next((dict(row["results"]) for row in rows if row["tenant"] == name), {})


def test_the_same_prompt_is_computed_once_and_counted(alice: Home) -> None:
    before = counted(alice.name)
    answers = alice.inside(ASK_THRICE, "http://ollama:11434/api/chat", alice.key, "hi")
    assert answers[0][2] == "stop"
    # A replica that has just come up and the one that spoke for it may each have computed it.
    assert answers[2] == ["hit", *answers[0][1:]]
    until("alice's hit being counted", lambda: counted(alice.name).get("hit", 0) > before.get("hit", 0))
