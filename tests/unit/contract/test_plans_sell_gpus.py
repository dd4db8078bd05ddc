"""What a provider writes of GPUs, and what homes get from it."""

from collections.abc import Mapping
from typing import Any

import pytest
from contract_house import a_plan, a_platform, a_tenant

from insula.contract.resolve import Reason, resolve_tenant
from insula.domain.errors import InvalidSpecError
from insula.domain.gpu import Gpu, GpuClass, GpuFailure
from insula.domain.tenants import Plan, Tenant

NO_CEILING: Mapping[str, Any] = {}


def a_gpu_plan(gpu: Mapping[str, Any], ceilings: Mapping[str, Any] = NO_CEILING) -> Plan:
    return a_plan(gpu=gpu, ceilings=ceilings)


def of_plan(plan: Plan, **ollama: Any) -> Tenant:
    return resolve_tenant(a_tenant(ollama=ollama), plan, a_platform())


@pytest.mark.parametrize(
    ("written", "resource"),
    [
        ({"class": "shared"}, "nvidia.com/gpu"),
        ({"class": "shared", "renamed": True}, "nvidia.com/gpu.shared"),
        ({"class": "mps"}, "nvidia.com/gpu"),
        ({"class": "mig", "profile": "1g.10gb"}, "nvidia.com/mig-1g.10gb"),
        ({"class": "whole"}, "nvidia.com/gpu"),
    ],
)
def test_every_home_of_the_plan_gets_one_by_the_name_that_its_class_has(written: dict[str, Any], resource: str) -> None:
    ollama = of_plan(a_gpu_plan(written)).ollama
    assert (ollama.gpu, ollama.device.resource) == (1, resource)


def test_a_plan_without_gpus_gives_none_and_allows_none() -> None:
    plan = a_gpu_plan({"class": "none"})
    assert of_plan(plan).ollama.gpu == 0
    with pytest.raises(InvalidSpecError) as caught:
        of_plan(plan, gpu=1)
    assert caught.value.reason == Reason.CEILING_EXCEEDED


def test_a_tenant_may_do_without_the_gpu_that_its_plan_gives() -> None:
    assert of_plan(a_gpu_plan({"class": "shared"}), gpu=0).ollama.gpu == 0


def test_a_plan_may_leave_it_to_the_tenant_to_ask() -> None:
    ceilings = {"ollama": {"cpu": 8, "memory": "16Gi", "gpu": 2}}
    plan = a_gpu_plan({"class": "whole", "count": 0}, ceilings)
    assert of_plan(plan).ollama.gpu == 0
    assert of_plan(plan, gpu=2).ollama.gpu == 2


def test_a_plan_from_before_classes_sells_whole_devices_up_to_its_ceiling() -> None:
    plan = a_plan()
    assert (plan.gpu, plan.max_gpu) == (Gpu(GpuClass.WHOLE), 1)
    assert of_plan(plan).ollama.gpu == 0


@pytest.mark.parametrize("kind", ["shared", "mps", "mig"])
def test_more_than_one_share_is_not_sold_for_it_gives_no_more(kind: str) -> None:
    profile = {"profile": "1g.10gb"} if kind == "mig" else {}
    with pytest.raises(InvalidSpecError, match="has room for 1 at most") as caught:
        a_gpu_plan({"class": kind, "count": 2, **profile})
    assert caught.value.reason == Reason.INVALID_PLAN


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"class": "mig"}, "profile names a slice"),
        ({"class": "whole", "profile": "1g.10gb"}, "profile names a slice"),
        ({"class": "mig", "profile": "small"}, "a MIG profile is written like"),
        ({"class": "whole", "renamed": True}, "renamed is for shares"),
        ({"class": "half"}, "class"),
        ({"class": "whole", "config": "a b"}, "named like a label"),
    ],
)
def test_what_does_not_fit_together_is_refused(written: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidSpecError, match=told):
        a_gpu_plan(written)


def test_what_a_home_gets_without_asking_is_below_what_it_may_ask_for() -> None:
    ceilings = {"ollama": {"cpu": 8, "memory": "16Gi", "gpu": 1}}
    with pytest.raises(InvalidSpecError, match=r"spec\.gpu\.count is 2"):
        a_gpu_plan({"class": "whole", "count": 2}, ceilings)


@pytest.mark.parametrize("failure", [GpuFailure(), GpuFailure("uid", "2026-11-25T12:00:00Z", "GPU-1, GPU-2", "old")])
def test_a_failure_is_read_back_as_it_was_written(failure: GpuFailure) -> None:
    assert GpuFailure.from_text(failure.to_text()) == failure


@pytest.mark.parametrize("text", ["{", "[]", "7", '{"other": "field"}'])
def test_a_spoilt_failure_is_none(text: str) -> None:
    assert GpuFailure.from_text(text) == GpuFailure()
