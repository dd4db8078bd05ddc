"""Which homes are looked at again when the ledger tells what was used."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from insula.domain import names
from insula.domain.errors import UnavailableError
from insula.domain.inference import Inference
from insula.domain.manifests import Manifest
from insula.ledger.client import Totals
from insula.operator.allowances import Allowances

DAY = date(2026, 11, 25)


@dataclass
class FakeHomes:
    plans: dict[str, Inference] = field(default_factory=lambda: {"alice": Inference(gpu_seconds_per_day=100)})

    def homes(self) -> Iterable[str]:
        return self.plans

    def namespace(self, tenant: str) -> Manifest | None:
        annotations = {names.ANNOTATION_INFERENCE: self.plans[tenant].to_text()}
        return {"metadata": {"labels": {names.LABEL_TENANT_ID: f"id-{tenant}"}, "annotations": annotations}}


@dataclass
class FakeLedger:
    seconds: dict[str, int] | None = None
    day: date = DAY

    async def totals(self) -> Totals:
        if self.seconds is None:
            raise UnavailableError("away")
        return Totals(self.day, {f"id-{name}": seconds * 10**9 for name, seconds in self.seconds.items()})


async def looked_at(allowances: Allowances, woken: list[str], **seconds: int) -> list[str]:
    woken.clear()
    await allowances.once(FakeLedger(seconds))
    return list(woken)


async def test_a_home_is_looked_at_when_its_standing_changes_and_not_before() -> None:
    woken: list[str] = []
    allowances = Allowances(FakeHomes(), woken.append)
    assert await looked_at(allowances, woken, alice=79) == []
    assert await looked_at(allowances, woken, alice=80) == ["alice"]
    assert await looked_at(allowances, woken, alice=90) == []
    assert await looked_at(allowances, woken, alice=100) == ["alice"]
    assert await looked_at(allowances, woken, alice=170) == []
    assert await looked_at(allowances, woken) == ["alice"], "a new day has begun"


async def test_a_home_without_a_limit_is_left_alone() -> None:
    woken: list[str] = []
    allowances = Allowances(FakeHomes({"alice": Inference(), "bob": Inference(parallel=2)}), woken.append)
    assert await looked_at(allowances, woken, alice=10**6, bob=10**6) == []


async def test_what_is_known_stands_while_the_ledger_is_away() -> None:
    woken: list[str] = []
    allowances = Allowances(FakeHomes(), woken.append)
    await looked_at(allowances, woken, alice=90)
    await allowances.once(FakeLedger(None))
    assert allowances.used_s("id-alice") == 90
    assert allowances.used_s("id-nobody") == 0
