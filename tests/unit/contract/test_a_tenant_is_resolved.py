from typing import Any

import pytest
from contract_house import AN_ID, a_plan, a_platform, a_tenant

from insula.contract.resolve import Reason, resolve_plan, resolve_tenant
from insula.domain.errors import InvalidSpecError
from insula.domain.models import ModelForm, ModelImage
from insula.domain.quantities import Resources
from insula.domain.tenants import DeletionPolicy, Plan


def refusal(manifest: dict[str, Any], plan: Plan | None, **platform: Any) -> InvalidSpecError:
    with pytest.raises(InvalidSpecError) as caught:
        resolve_tenant(manifest, plan, a_platform(**platform))
    assert caught.value.remedy, "a refusal says what to do"
    return caught.value


def test_a_short_spec_gets_everything_from_its_plan_and_platform() -> None:
    tenant = resolve_tenant(
        a_tenant(), a_plan(allowedCIDRs=["192.168.1.0/24"]), a_platform(storage_class="fast", domain="b.test")
    )

    assert tenant.home_assistant.resources == Resources(100, 2000, 512, 2048)
    assert tenant.ollama.storage_gib == 10
    assert tenant.ollama.models == ("gemma3:270m",)
    assert tenant.host == "ha.alice.b.test"
    assert tenant.storage_class == "fast"
    assert tenant.allowed_cidrs == ("192.168.1.0/24",)
    assert tenant.deletion_policy is DeletionPolicy.RETAIN
    assert (tenant.suspended, tenant.adopt, tenant.home_assistant.image) == (False, "", "")


def test_what_the_tenant_says_goes_before_the_plan() -> None:
    tenant = resolve_tenant(
        a_tenant(
            homeAssistant={"image": "ha:2", "storageGiB": 40, "configuration": "input_boolean:\n  on: !secret x\n"},
            ollama={"gpu": 1, "storageGiB": 60},
            suspended=True,
            deletionPolicy="Delete",
            adopt=AN_ID,
        ),
        a_plan(storageClass="slow"),
        a_platform(storage_class="fast"),
    )

    assert tenant.home_assistant.image == "ha:2"
    assert (tenant.home_assistant.storage_gib, tenant.ollama.storage_gib) == (40, 60)
    assert tenant.ollama.gpu == 1
    assert tenant.storage_class == "slow"
    assert (tenant.suspended, tenant.deletion_policy, tenant.adopt) == (True, DeletionPolicy.DELETE, AN_ID)


GEMMA = ModelImage("gemma3:270m", "registry.test/g@sha256:1", "sha256:a")
QWEN = ModelImage("qwen3:8b", "registry.test/q@sha256:2", "sha256:b")


def test_a_plan_that_shares_models_gives_a_tenant_the_images_of_its_own_alone() -> None:
    tenant = resolve_tenant(a_tenant(), a_plan(modelForm="image"), a_platform(model_images=(GEMMA, QWEN)))

    assert tenant.ollama.model_form is ModelForm.IMAGE
    assert tenant.ollama.shared == (GEMMA,)


def test_another_order_of_models_is_no_other_set_of_images() -> None:
    platform, plan = a_platform(model_images=(GEMMA, QWEN)), a_plan(modelForm="image")
    first = resolve_tenant(a_tenant(ollama={"models": ["qwen3:8b", "gemma3:270m"]}), plan, platform)
    second = resolve_tenant(a_tenant(ollama={"models": ["gemma3:270m", "qwen3:8b"]}), plan, platform)

    assert first.ollama.shared == second.ollama.shared == (GEMMA, QWEN)


def test_images_are_not_for_homes_that_have_their_own_volume() -> None:
    tenant = resolve_tenant(a_tenant(), a_plan(), a_platform(model_images=(GEMMA,)))

    assert (tenant.ollama.model_form, tenant.ollama.shared) == (ModelForm.VOLUME, ())


def test_requests_keep_the_proportion_that_the_plan_gives_them() -> None:
    tenant = resolve_tenant(a_tenant(homeAssistant={"resources": {"cpu": 4, "memory": "4Gi"}}), a_plan(), a_platform())

    assert tenant.home_assistant.resources == Resources(200, 4000, 1024, 4096)


@pytest.mark.parametrize("cidr", ["169.254.169.254/32", "10.244.0.0/16", "10.244.7.0/24", "fe80::/64", "::ffff:0:0/96"])
def test_no_plan_opens_the_cluster_or_the_clouds_metadata(cidr: str) -> None:
    error = refusal(a_tenant(), a_plan(allowedCIDRs=["192.168.1.0/24", cidr]), cluster_cidrs=("10.244.0.0/16",))

    assert error.reason == Reason.INVALID_PLAN
    assert f"allowedCIDRs {cidr}" in error.message


def test_a_plan_may_open_what_only_holds_a_part_of_the_cluster() -> None:
    plan = a_plan(allowedCIDRs=["10.0.0.0/8"])

    assert resolve_tenant(a_tenant(), plan, a_platform(cluster_cidrs=("10.244.0.0/16",))).allowed_cidrs


def test_without_its_plan_a_tenant_waits() -> None:
    error = refusal(a_tenant(), None)

    assert error.reason == Reason.PLAN_MISSING
    assert "standard" in error.message


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"homeAssistant": {"resources": {"cpu": "4001m"}}}, "homeAssistant.resources.cpu"),
        ({"homeAssistant": {"resources": {"memory": "4.1Gi"}}}, "homeAssistant.resources.memory"),
        ({"ollama": {"resources": {"cpu": 9}}}, "ollama.resources.cpu"),
        ({"ollama": {"resources": {"memory": "17Gi"}}}, "ollama.resources.memory"),
        ({"ollama": {"gpu": 2}}, "ollama.gpu"),
        ({"ollama": {"storageGiB": 91}}, "storageGiB"),
    ],
)
def test_more_than_the_ceiling_is_refused_with_both_numbers(changes: dict[str, Any], field: str) -> None:
    error = refusal(a_tenant(**changes), a_plan())

    assert error.reason == Reason.CEILING_EXCEEDED
    assert field in error.message
    assert "at most" in error.message


def test_only_models_that_the_plan_allows_are_pulled() -> None:
    plan = a_plan(allowedModels=["gemma3:*"])

    assert resolve_tenant(a_tenant(), plan, a_platform()).ollama.models == ("gemma3:270m",)
    error = refusal(a_tenant(ollama={"models": ["llama3:8b"]}), plan)
    assert error.reason == Reason.MODEL_NOT_ALLOWED
    assert "gemma3:*" in error.remedy


def test_a_host_of_ones_own_must_be_on_the_plans_list() -> None:
    plan = a_plan(allowedHosts=["*.family.test"])

    assert resolve_tenant(a_tenant(access={"host": "al.family.test"}), plan, a_platform()).host == "al.family.test"
    for host in ("al.other.test", "a.b.family.test", "family.test"):
        assert refusal(a_tenant(access={"host": host}), plan).reason == Reason.HOST_NOT_ALLOWED


def test_the_host_that_the_template_gives_is_always_allowed() -> None:
    assert resolve_tenant(a_tenant(access={"host": "ha.alice.homes.test"}), a_plan(), a_platform())


def test_nobody_takes_the_host_that_the_template_keeps_for_another() -> None:
    error = refusal(a_tenant(access={"host": "ha.bob.homes.test"}), a_plan(allowedHosts=["*.*.homes.test"]))

    assert error.reason == Reason.HOST_NOT_ALLOWED


def test_a_tenant_cannot_take_insulas_own_namespace() -> None:
    assert refusal(a_tenant("system"), a_plan()).reason == Reason.NAME_RESERVED


@pytest.mark.parametrize("name", ["a.b", "Alice", "a" * 57, "-a"])
def test_a_name_that_no_namespace_can_bear_is_refused(name: str) -> None:
    assert refusal(a_tenant(name), a_plan()).reason == Reason.INVALID_SPEC


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"owner": "alice"}, "spec.owner: the owner is an e-mail address"),
        ({"ollama": {"modles": []}}, "spec.ollama.modles: there is no such field"),
        ({"ollama": {"models": ["gemma3"]}}, "spec.ollama.models[0]: a model is written name:tag"),
        ({"ollama": {"models": ["a:b", "a:b"]}}, "a model stands here twice"),
        ({"homeAssistant": {"image": "ha:latest"}}, "the tag latest moves"),
        ({"homeAssistant": {"image": "ha"}}, "an image is written name:version"),
        ({"homeAssistant": {"storageGiB": "10"}, "sleepAfter": 1}, "spec.sleepAfter: there is no such field"),
        ({"homeAssistant": {"configuration": "a: [\n"}}, "this is no YAML (line 2)"),
        ({"homeAssistant": {"configuration": "- a"}}, "a package is a mapping"),
        ({"homeAssistant": {"configuration": "http 2: {}"}}, "`http:` belongs to Insula"),
        ({"homeAssistant": {"configuration": "[" * 60000}}, "this is no YAML"),
        ({"adopt": "old"}, "spec.adopt: an identity is a UUID"),
        ({"deletionPolicy": "Keep"}, "spec.deletionPolicy"),
    ],
)
def test_a_malformed_field_is_named_with_what_it_should_be(changes: dict[str, Any], said: str) -> None:
    error = refusal(a_tenant(**changes), a_plan())

    assert error.reason == Reason.INVALID_SPEC
    assert said in error.message


def test_many_faults_are_counted_not_listed() -> None:
    error = refusal(a_tenant(a=1, b=2, c=3, d=4, e=5), a_plan())

    assert error.message.endswith("; and 2 more")


def test_an_image_by_digest_may_call_itself_latest() -> None:
    image = "host:5000/a/ha:latest@sha256:" + "0" * 64

    assert (
        resolve_tenant(a_tenant(homeAssistant={"image": image}), a_plan(), a_platform()).home_assistant.image == image
    )


def test_a_plan_without_ceilings_gives_no_more_than_its_defaults() -> None:
    plan = a_plan(ceilings={})

    assert plan.max_ollama == Resources(2000, 2000, 2048, 2048)
    assert (plan.max_storage_gib, plan.max_gpu) == (20, 0)


@pytest.mark.parametrize(
    "ceilings", [{"storageGiB": 19}, {"homeAssistant": {"cpu": 1, "memory": "4Gi"}}, {"ollama": {"cpu": 8}}]
)
def test_a_plan_that_contradicts_itself_is_refused(ceilings: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpecError) as caught:
        a_plan(ceilings=ceilings)

    assert caught.value.reason == Reason.INVALID_PLAN
    assert caught.value.message.startswith("Plan standard: ")


def test_a_request_above_its_limit_is_refused() -> None:
    part = {
        "resources": {"requests": {"cpu": 3, "memory": "1Gi"}, "limits": {"cpu": 2, "memory": "2Gi"}},
        "storageGiB": 1,
    }
    with pytest.raises(InvalidSpecError, match=r"spec\.defaults\.homeAssistant\.resources\.requests\.cpu"):
        a_plan(defaults={"homeAssistant": part, "ollama": part})


def test_an_object_without_a_spec_is_refused_in_words() -> None:
    assert "spec.owner: this field is required" in refusal({"metadata": {"name": "alice"}}, a_plan()).message
    with pytest.raises(InvalidSpecError, match="defaults: this field is required"):
        resolve_plan({"metadata": {"name": "p"}})
