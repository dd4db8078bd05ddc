import pytest
from contract_house import a_plan, a_platform, a_tenant
from pydantic import ValidationError

from insula.contract.inference import InferenceSpec
from insula.contract.resolve import Reason, resolve_tenant
from insula.domain.errors import InvalidSpecError
from insula.domain.inference import Inference, Priority
from insula.domain.manifests import Manifest
from insula.domain.tenants import Plan


def test_what_a_plan_says_of_prompts_reaches_the_gateway_as_it_was_said() -> None:
    said = InferenceSpec(
        parallel=2, keep_alive="30m", max_answer="2m", priority="batch", gpu_seconds_per_day=600, sleep_after="12h"
    ).to_domain()

    assert said.keep_alive_s == 1800
    assert said.sleep_after_s == 43200
    assert said.priority is Priority.BATCH
    assert Inference.from_text(said.to_text()) == said


def test_a_plan_that_says_nothing_of_prompts_writes_nothing() -> None:
    assert InferenceSpec().to_domain() == Inference()
    assert Inference().to_text() == ""


def test_words_that_a_person_spoilt_read_as_none() -> None:
    for text in ("{", "[]", "7", '{"priority":"first"}', "null"):
        assert Inference.from_text(text) == Inference()


def test_a_plan_stops_no_ollama_sooner_than_it_takes_to_start_one() -> None:
    with pytest.raises(ValidationError, match="10 s or more"):
        InferenceSpec(sleep_after="9s")


def test_a_home_may_sleep_sooner_than_its_plan_says_and_not_later() -> None:
    hour = a_plan(inference={"sleepAfter": "1h"})
    assert _sleeps_after(a_tenant(), hour) == 3600
    assert _sleeps_after(a_tenant(ollama={"sleepAfter": "10m"}), hour) == 600
    with pytest.raises(InvalidSpecError, match=r"sleepAfter is 7200 s.*at most 3600 s") as refusal:
        resolve_tenant(a_tenant(ollama={"sleepAfter": "2h"}), hour, a_platform())
    assert refusal.value.reason == Reason.CEILING_EXCEEDED


def test_a_home_may_sleep_where_its_plan_says_nothing_of_it() -> None:
    assert _sleeps_after(a_tenant(ollama={"sleepAfter": "10m"}), a_plan()) == 600
    assert _sleeps_after(a_tenant(), a_plan()) is None


def _sleeps_after(tenant: Manifest, plan: Plan) -> int | None:
    return resolve_tenant(tenant, plan, a_platform()).ollama.inference.sleep_after_s
