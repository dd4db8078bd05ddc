"""A home answers a question through its own Ollama, and each of the three who were there has written it down."""

import re
from datetime import UTC, datetime, timedelta

from e2e.house import MODEL, Home

# Ollama's line: [GIN] 2026/11/25 - 01:50:00 | 200 | 1.2s | 10.244.0.5 | POST "/api/chat"
CHAT = re.compile(r'\| 200 \|.*POST\s+"/api/chat"')


def test_a_question_is_answered_by_the_tenants_own_model(alice: Home) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    answer = alice.ask()
    assert answer["tenant"] == "alice"
    assert answer["answer"].strip()
    assert answer["agent"].startswith("conversation.")
    record = answer["gateway"]
    assert record["model"] == MODEL
    assert record["eval_count"] > 0
    assert re.fullmatch(r"[0-9a-f]{64}", record["model_digest"])
    since = began.strftime("%Y-%m-%dT%H:%M:%SZ")
    log = alice.cluster.kubectl("logs", "-n", alice.namespace, "deployment/ollama", f"--since-time={since}")
    assert CHAT.search(log), log
