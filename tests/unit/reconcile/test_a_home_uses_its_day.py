"""The condition WithinQuota: what a home has left of the seconds that its plan gives it for a day."""

from dataclasses import replace

import pytest

from builders import World, a_tenant
from insula.domain.inference import Inference


def a_home(used_s: float, *, limit_s: int | None = 100, overdraft: bool = False) -> World:
    plan = Inference(gpu_seconds_per_day=limit_s, overdraft=overdraft)
    return World(
        desired=replace(a_tenant(), ollama=replace(a_tenant().ollama, inference=plan)), used_gpu_s=used_s
    ).settle()


@pytest.mark.parametrize(
    ("used_s", "status", "reason"),
    [
        (0, "True", "EnoughLeft"),
        (79.9, "True", "EnoughLeft"),
        (80, "True", "NearlyUsedUp"),
        (99.9, "True", "NearlyUsedUp"),
        (100, "False", "UsedUp"),
    ],
)
def test_the_condition_says_in_three_steps_what_is_left(used_s: float, status: str, reason: str) -> None:
    found = a_home(used_s).condition("WithinQuota")
    assert (found["status"], found["reason"]) == (status, reason)


def test_a_plan_without_a_limit_leaves_enough() -> None:
    assert a_home(10**9, limit_s=None).condition("WithinQuota")["reason"] == "NoLimit"


@pytest.mark.parametrize(("overdraft", "words"), [(True, "as batch"), (False, "refused")])
def test_a_home_that_has_used_its_day_is_told_what_becomes_of_prompts(overdraft: bool, words: str) -> None:
    assert words in a_home(100, overdraft=overdraft).condition("WithinQuota")["message"]


def test_what_is_used_within_a_step_writes_nothing() -> None:
    world = a_home(81)
    world.used_gpu_s = 95
    assert world.decide().is_empty


def test_a_home_that_has_used_its_day_is_ready_all_the_same() -> None:
    assert a_home(100).condition("Ready")["reason"] == a_home(0).condition("Ready")["reason"]
