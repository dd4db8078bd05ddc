"""`insula usage`: what it asks the ledger through the API server, and how it prints the answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import pytest

from insula.cli import usage as printing
from insula.domain.errors import InvalidSpecError, NotFoundError
from insula.domain.inference import Priority
from insula.domain.usage import Account, Amount, document
from insula.kube import requests
from insula.services import usage

DAY = date(2026, 11, 25)
ENTRY = (Account("0b5e", "alice", DAY, "gemma3:270m", Priority.INTERACTIVE), Amount(1_500_000_000, 12, 34, 2))


@dataclass
class FakeProxy:
    answer: bytes | None = json.dumps({"entries": [document(*ENTRY)]}).encode()
    asked: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)

    async def through(self, service: str, path: str, *, parameters: Mapping[str, str] | None = None) -> bytes:
        self.asked.append((service, path, parameters or {}))
        if self.answer is None:
            raise NotFoundError("services insula-ledger not found (404)")
        return self.answer


async def test_the_ledger_is_asked_for_one_home_since_a_day() -> None:
    proxy = FakeProxy()
    assert await usage.read(proxy, namespace="insula-system", since=DAY, tenant="alice") == [ENTRY]
    assert proxy.asked == [("insula-system/insula-ledger:ledger", "/usage", {"since": "2026-11-25", "tenant": "alice"})]


async def test_a_cluster_without_a_ledger_is_told_where_to_look() -> None:
    with pytest.raises(NotFoundError, match="--namespace"):
        await usage.read(FakeProxy(answer=None), namespace="elsewhere", since=DAY)


async def test_an_answer_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InvalidSpecError):
        await usage.read(FakeProxy(answer=b"<html>"), namespace="insula-system", since=DAY)


@pytest.mark.parametrize(
    ("length_s", "first"), [(60, "2026-11-25"), (86_400, "2026-11-25"), (86_401, "2026-11-24"), (604_800, "2026-11-19")]
)
def test_a_length_of_time_spans_whole_days_with_today(length_s: int, first: str) -> None:
    assert usage.first_day(datetime(2026, 11, 25, 0, 1, tzinfo=UTC), length_s).isoformat() == first


def test_the_request_goes_through_the_api_server_to_the_services_port() -> None:
    request = requests.through("insula-system/insula-ledger:ledger", "/usage", headers={"X-Api-Key": "secret"})
    assert request.path == "/api/v1/namespaces/insula-system/services/insula-ledger:ledger/proxy/usage"
    assert "secret" not in repr(request)


def test_an_entry_is_printed_alike_for_people_and_for_programs() -> None:
    assert printing.row(*ENTRY) == ("2026-11-25", "alice", "gemma3:270m", "interactive", "1.5", "12", "34", "2")
    assert printing.as_json(*ENTRY) == {
        "day": "2026-11-25",
        "tenant": "alice",
        "tenantId": "0b5e",
        "model": "gemma3:270m",
        "class": "interactive",
        "gpuSeconds": 1.5,
        "promptTokens": 12,
        "answerTokens": 34,
        "requests": 2,
    }
    assert printing.as_csv([ENTRY]).splitlines() == [
        "day,tenant,tenantId,model,class,gpuSeconds,promptTokens,answerTokens,requests",
        "2026-11-25,alice,0b5e,gemma3:270m,interactive,1.5,12,34,2",
    ]
