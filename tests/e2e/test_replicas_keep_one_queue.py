"""Homes that ask at once, at any replica of the gateway, wait in one queue and are all answered."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from e2e import gateways
from e2e.house import Home
from e2e.inside import CHAT_AT_ONCE

POSITION, WAITED = "X-Insula-Queue-Position", "X-Insula-Queue-Seconds"


def handed_on(replicas: list[gateways.Replica]) -> float:
    return sum(replica.counted("insula_gateway_hops_total", result="sent") for replica in replicas)


def test_a_home_has_one_turn_at_a_time_whichever_replica_it_asks(alice: Home, bob: Home) -> None:
    replicas = gateways.replicas(alice.cluster)
    assert len(replicas) == 2
    addresses = [replica.address for replica in replicas] * 2
    body = gateways.a_chat("Tell me a story.", num_predict=64)

    def ask(home: Home) -> list[dict[str, Any]]:
        return list(home.inside(CHAT_AT_ONCE, home.key, body, *addresses))

    before = handed_on(replicas)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(ask, (alice, bob)))
    for answers in both:
        assert [answer["status"] for answer in answers] == [200] * 4
        assert all(answer["last"]["done"] for answer in answers)
        # Replicas that each gave turns of their own would have let two of them go on at once.
        assert sorted(POSITION in answer["headers"] for answer in answers) == [False, True, True, True]
        assert all(float(answer["headers"].get(WAITED, 0)) >= 0 for answer in answers)
    assert handed_on(replicas) - before >= 4  # two of each home's prompts came to the other replica
