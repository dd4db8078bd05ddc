"""A replica of the gateway is killed in mid-answer: its stream ends with an error line, the next one is answered."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from e2e import gateways
from e2e.house import Home, until
from e2e.inside import CHAT_AT_ONCE

# A small model soon has no more to say, unless it is told to say it again.
LONG = gateways.a_chat("Count to a thousand.", num_predict=1000, repeat_penalty=0.5, temperature=0.8, stop=["<never>"])
SHORT = gateways.a_chat("Hello!", num_predict=4, temperature=0.8)

# Before its first word, a prompt whose replica is lost is answered by the other one: here it is to be in mid-answer.
FIRST_WORDS_S = 3.0


def chat(home: Home, body: str, replica: gateways.Replica) -> dict[str, Any]:
    (answer,) = home.inside(CHAT_AT_ONCE, home.key, body, replica.address)
    return dict(answer)


def test_the_stream_of_a_killed_replica_ends_with_an_error_line_and_the_next_is_answered(alice: Home) -> None:
    first, second = gateways.replicas(alice.cluster)
    before = first.counted("insula_gateway_hops_total", result="sent")
    assert chat(alice, SHORT, first)["last"]["done"]
    hops = first.counted("insula_gateway_hops_total", result="sent") > before
    other, keeper = (first, second) if hops else (second, first)  # who keeps the queue of this home's node
    begun = keeper.counted("insula_gateway_queue_wait_seconds_count")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(chat, alice, LONG, other)
        until("its turn", lambda: keeper.counted("insula_gateway_queue_wait_seconds_count") > begun, every_s=0.1)
        time.sleep(FIRST_WORDS_S)
        keeper.kill()
        answer = asked.result()
    assert answer["status"] == 200
    assert "broke off" in answer["last"]["error"]
    assert chat(alice, SHORT, other)["last"]["done"]
    alice.cluster.rolled_out(gateways.NAMESPACE, "deployment/insula-gateway")
