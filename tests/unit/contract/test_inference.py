from insula.contract.inference import InferenceSpec
from insula.domain.inference import Inference, Priority


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
