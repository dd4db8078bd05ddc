"""The turns of the homes of one node, as the gateway gives them: on a clock of the test's own, without a server."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from gateway_house import ALICE, BOB
from prometheus_client import CollectorRegistry

from insula.gateway import paths, prompts
from insula.gateway.admission import FairAdmission
from insula.gateway.errors import NotReadyError
from insula.gateway.prompts import Prompt
from insula.gateway.records import Exchange
from insula.gateway.tenants import TenantRoute


def a_prompt() -> Prompt:
    endpoint = paths.find("POST", "/api/chat")
    assert endpoint is not None
    return prompts.parse(b'{"model":"m"}', endpoint, "/api/chat")


def a_route(tenant_id: str, backend: str) -> TenantRoute:
    return TenantRoute(tenant_id, tenant_id[:4], f"insula-{tenant_id[:4]}", 1, backend, node="n1")


@dataclass
class Node:
    """Two homes on one node that computes one prompt at a time."""

    now: float = 0.0
    synced: bool = True
    routes: dict[str, TenantRoute] = field(
        default_factory=lambda: {ALICE: a_route(ALICE, "10.0.0.1:11434"), BOB: a_route(BOB, "10.0.0.2:11434")}
    )
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    went_to: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.admission = FairAdmission(1, self, self.registry, lambda: self.now)

    def find(self, tenant_id: str) -> TenantRoute | None:
        return self.routes.get(tenant_id)

    def living_at(self, address: str) -> frozenset[str]:
        return frozenset()

    async def ask(self, tenant_id: str, during: Callable[[Exchange], None] = lambda _: None) -> None:
        exchange = Exchange("x", "POST", lambda: self.now)
        async with self.admission.admit(self.routes[tenant_id], a_prompt(), exchange) as backend:
            self.went_to.append(backend)
            await asyncio.sleep(0)
            during(exchange)

    def take(self, seconds: float, *, answered: bool = True) -> Callable[[Exchange], None]:
        def answer(exchange: Exchange) -> None:
            self.now += seconds
            if answered:
                exchange.finish()
            else:
                raise asyncio.CancelledError

        return answer

    def expected_s(self) -> float:
        return self.registry.get_sample_value("insula_gateway_queue_expected_seconds") or 0.0


async def started(*asking: "asyncio.Task[None]") -> None:
    """Let all of them come as far as they can before the first goes on."""
    await asyncio.sleep(0)
    assert not any(each.done() for each in asking)


async def test_a_client_that_left_is_charged_for_the_turn_that_it_held() -> None:
    node = Node()
    asking = [
        asyncio.create_task(node.ask(ALICE, node.take(30.0, answered=False))),
        asyncio.create_task(node.ask(ALICE, node.take(1.0))),
        asyncio.create_task(node.ask(BOB, node.take(1.0))),
        asyncio.create_task(node.ask(BOB, node.take(1.0))),
    ]
    await started(*asking)
    await asyncio.gather(*asking, return_exceptions=True)
    alice, bob = "10.0.0.1:11434", "10.0.0.2:11434"
    assert node.went_to == [alice, bob, bob, alice]


async def test_a_prompt_that_waited_goes_where_its_ollama_is_by_then() -> None:
    node = Node()
    asking = [asyncio.create_task(node.ask(each, node.take(1.0))) for each in (ALICE, BOB)]
    await started(*asking)
    # Bob's pod is made anew, and the address that it had is given to another home's.
    node.routes[BOB] = replace(node.routes[BOB], backend="10.0.0.9:11434")
    await asyncio.gather(*asking)
    assert node.went_to == ["10.0.0.1:11434", "10.0.0.9:11434"]


@pytest.mark.parametrize("gone", [True, False])
async def test_a_prompt_whose_home_went_while_it_waited_goes_nowhere(*, gone: bool) -> None:
    node = Node()
    asking = [asyncio.create_task(node.ask(each, node.take(1.0))) for each in (ALICE, BOB, ALICE)]
    await started(*asking)
    if gone:
        del node.routes[BOB]
    else:
        node.routes[BOB] = replace(node.routes[BOB], backend=None)
    first, second, third = await asyncio.gather(*asking, return_exceptions=True)
    assert (first, third) == (None, None)
    assert isinstance(second, NotReadyError)


async def test_the_longest_queue_tells_how_long_it_is_expected_to_be() -> None:
    node = Node()
    assert node.expected_s() == 0.0
    asking = [asyncio.create_task(node.ask(each, node.take(1.0))) for each in (ALICE, BOB, ALICE)]
    await started(*asking)
    assert node.expected_s() == 3.0  # one that runs and two that wait, each for the second that is expected at first
    await asyncio.gather(*asking)
    assert node.expected_s() == 0.0
