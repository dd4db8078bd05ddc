from datetime import UTC, datetime

import pytest
from cli_fakes import a_condition, a_request_line, a_tenant

from insula.cli import views
from insula.services import tenancy, tracing
from insula.services.asking import Account, Answer, Door

NOW = datetime(2026, 11, 25, 8, 12, tzinfo=UTC)
DOOR = Door("ha.alice.insula.test", "", "")
ACCOUNT = Account("alice", "initial")
ANSWER = Answer("alice", "Paris", "conversation.ollama", {"login": 0.1, "answer": 0.4}, None)


@pytest.mark.parametrize(
    ("created", "age"),
    [("2026-11-25T08:11:15Z", "45s"), ("2026-11-25T08:00:00Z", "12m"), ("2026-11-19T08:00:00Z", "6d"), ("", "")],
)
def test_an_age_has_the_largest_unit_that_fits(created: str, age: str) -> None:
    assert views.age(created, NOW) == age


def test_a_clock_that_runs_behind_makes_no_negative_age() -> None:
    assert views.age("2026-11-25T08:12:30Z", NOW) == "0s"


def test_a_tenants_state_is_the_first_thing_that_is_missing() -> None:
    conditions = [a_condition("Accepted"), a_condition("ModelsReady", "False", "Pulling")]
    assert views.state(tenancy.view(a_tenant(conditions=conditions))) == "ModelsReady: Pulling"
    assert views.state(tenancy.view(a_tenant(suspended=True))) == "suspended"
    assert views.state(tenancy.view(a_tenant())) == "not seen by the operator yet"
    back = [a_condition("UpToDate", "False", "RolledBack"), a_condition("Ready", "True", "Ready")]
    assert views.state(tenancy.view(a_tenant(conditions=back))) == "ready, rolled back"


def test_the_initial_password_is_shown_only_when_asked_for() -> None:
    without = views.login_facts("alice", DOOR, ACCOUNT, with_password=False)
    assert "initial" not in dict(without)["Initial password"].split()
    assert "password" not in views.login_json("alice", DOOR, ACCOUNT, with_password=False)
    assert dict(views.login_facts("alice", DOOR, ACCOUNT, with_password=True))["Initial password"] == "initial"


def test_a_deletion_says_before_it_happens_what_becomes_of_the_data() -> None:
    assert "There is no way back" in views.deletion_warning("alice", destroys=True)
    assert "stays in namespace insula-alice" in views.deletion_warning("alice", destroys=False)


def test_an_answer_without_a_trace_says_so() -> None:
    assert dict(views.answer_facts(ANSWER))["gateway"].startswith("its log showed no request")
    assert views.answer_json(ANSWER)["gateway"] is None


def test_an_answer_tells_the_gateways_request_the_models_digest_and_the_seconds_of_each_stage() -> None:
    line = a_request_line(model_digest="2fe8", eval_count=10, seconds=0.38, load_duration=100_000_000)
    (trace,) = tracing.find([line], "alice")
    facts = dict(views.answer_facts(Answer("alice", "Paris", "conversation.ollama", ANSWER.seconds, trace)))
    assert facts["gateway request"] == "r-1"
    assert facts["model digest"] == "2fe8"
    assert facts["eval_count"] == "10 tokens"
    assert (facts["answer seconds"], facts["gateway seconds"], facts["load seconds"]) == ("0.40", "0.38", "0.10")
