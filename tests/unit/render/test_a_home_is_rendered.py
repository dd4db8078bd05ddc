"""What stands in a home: the workloads, the volumes, the way in, and the names that never change."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import MODELS_UID, a_platform, a_platform_without_internet, a_situation, a_tenant
from insula.domain import names
from insula.domain.gpu import Gpu, GpuClass
from insula.domain.manifests import Manifest
from insula.domain.platform import IngressFlavour
from insula.domain.situation import Memory, Situation
from insula.render import home_assistant, jobs, objects, ollama, route, storage
from insula.render.stack import stack

NAMES_OF_A_HOME = {
    "Certificate/home-assistant",
    "ConfigMap/home-assistant-scripts",
    "Deployment/home-assistant",
    "Deployment/ollama",
    "Ingress/home-assistant",
    "Job/converse",
    "Job/pull-models",
    "LimitRange/defaults",
    "NetworkPolicy/acme-solver",
    "NetworkPolicy/converse",
    "NetworkPolicy/default-deny",
    "NetworkPolicy/dns",
    "NetworkPolicy/home-assistant",
    "NetworkPolicy/ollama",
    "NetworkPolicy/pull-models",
    "PersistentVolumeClaim/home-assistant-config",
    "PersistentVolumeClaim/ollama-models",
    "ResourceQuota/jobs",
    "ResourceQuota/objects",
    "ResourceQuota/pods",
    "RoleBinding/insula-operator-secrets",
    "Service/home-assistant",
    "Service/ollama",
    "Service/ollama-backend",
    "ServiceAccount/home-assistant",
    "ServiceAccount/insula-jobs",
    "ServiceAccount/ollama",
}


def whole(situation: Situation, **platform: Any) -> list[Manifest]:
    rendered = stack(situation, a_platform(**platform))
    return [*rendered.ground, *rendered.house]


def kinds(situation: Situation, **platform: Any) -> list[str]:
    return [each["kind"] for each in whole(situation, **platform)]


def environment(container: Manifest) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container["env"]}


def pod(deployment: Manifest) -> Manifest:
    spec: Manifest = deployment["spec"]["template"]["spec"]
    return spec


@given(name=st.from_regex(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?", fullmatch=True), gpu=st.integers(0, 4))
def test_names_depend_on_nothing_but_the_tenants_name(name: str, gpu: int) -> None:
    situation = a_situation(a_tenant(name, gpu=gpu), route=True, pull=MODELS_UID, converse="fingerprint")
    namespace, *rest = whole(situation)
    assert namespace["metadata"]["name"] == f"insula-{name}"
    assert {f"{each['kind']}/{each['metadata']['name']}" for each in rest} == NAMES_OF_A_HOME
    assert {each["metadata"]["namespace"] for each in rest} == {f"insula-{name}"}


def test_the_ground_can_stand_before_the_secrets_and_the_house_mounts_them() -> None:
    rendered = stack(a_situation(), a_platform())
    assert next(each["kind"] for each in rendered.ground) == "Namespace"
    assert [each["kind"] for each in rendered.ground][1] == "RoleBinding"
    assert "Deployment" not in [each["kind"] for each in rendered.ground]


def test_an_unclaimed_home_has_no_way_in_but_asks_for_its_certificate() -> None:
    assert "Ingress" not in kinds(a_situation())
    assert "Certificate" in kinds(a_situation())


def test_a_claimed_home_has_a_way_in() -> None:
    assert kinds(a_situation(route=True))[-1] == "Ingress"


def test_a_suspended_home_has_no_pods_and_no_jobs_and_keeps_all_else() -> None:
    situation = a_situation(a_tenant(suspended=True), route=True, pull=MODELS_UID, converse="fingerprint")
    rendered = whole(situation)
    assert [each["spec"]["replicas"] for each in rendered if each["kind"] == "Deployment"] == [0, 0]
    awake = {each["kind"] for each in whole(a_situation(route=True))}
    assert {each["kind"] for each in rendered} == awake


def test_a_home_without_a_tenant_is_its_namespace_alone() -> None:
    assert kinds(Situation("alice", "id", Memory(retained_since="2026-11-25T12:00:00Z"))) == ["Namespace"]


def test_without_an_issuer_no_certificate_is_asked_for() -> None:
    rendered = whole(a_situation(route=True), issuer_name="")
    assert "Certificate" not in {each["kind"] for each in rendered}
    assert rendered[-1]["spec"]["tls"] == [{"hosts": ["ha.alice.example.com"]}]


def test_only_the_claiming_container_sees_the_passwords() -> None:
    spec = pod(home_assistant.deployment(a_tenant(), a_platform()))
    (claim,), (main,) = spec["initContainers"], spec["containers"]
    assert any(mount["mountPath"] == "/secrets/platform-account" for mount in claim["volumeMounts"])
    assert not any(mount["mountPath"].startswith("/secrets") for mount in main["volumeMounts"])


def test_home_assistant_may_take_ten_minutes_to_start_and_is_never_killed_for_being_busy() -> None:
    (main,) = pod(home_assistant.deployment(a_tenant(), a_platform()))["containers"]
    assert main["startupProbe"]["periodSeconds"] * main["startupProbe"]["failureThreshold"] == 600
    assert "livenessProbe" not in main


@pytest.mark.parametrize("module", [home_assistant, ollama])
def test_there_are_never_two_pods_on_one_volume(module: Any) -> None:
    assert module.deployment(a_tenant(), a_platform())["spec"]["strategy"] == {"type": "Recreate"}


def test_home_assistant_knows_its_addresses_and_the_proxies_it_may_believe() -> None:
    (main,) = pod(home_assistant.deployment(a_tenant(), a_platform()))["containers"]
    known = environment(main)
    assert known["INSULA_EXTERNAL_URL"] == "https://ha.alice.example.com"
    assert known["INSULA_INTERNAL_URL"] == "http://home-assistant.insula-alice.svc:8123"
    assert known["INSULA_TRUSTED_PROXIES"] == "10.244.0.0/16"
    assert "UV_DEFAULT_INDEX" not in known


def test_home_assistant_takes_packages_from_the_providers_index() -> None:
    known = home_assistant.package_index(a_platform_without_internet())
    assert known["UV_DEFAULT_INDEX"] == known["PIP_INDEX_URL"] == "http://10.99.0.1:3141/simple/"
    assert known["UV_INSECURE_HOST"] == known["PIP_TRUSTED_HOST"] == "10.99.0.1:3141"


def test_an_index_with_tls_is_not_trusted_blindly() -> None:
    assert "PIP_TRUSTED_HOST" not in home_assistant.package_index(a_platform(package_index_url="https://index.test/"))


def test_the_residents_configuration_lies_among_the_packages() -> None:
    tenant = a_tenant(home_assistant={"configuration": "light: []\n"})
    assert home_assistant.scripts(tenant)["data"]["resident.yaml"] == "light: []\n"
    scripts = next(
        each for each in pod(home_assistant.deployment(tenant, a_platform()))["volumes"] if "configMap" in each
    )
    assert {"key": "resident.yaml", "path": "packages/resident.yaml"} in scripts["configMap"]["items"]


def test_another_configuration_makes_another_pod() -> None:
    plain = home_assistant.deployment(a_tenant(), a_platform())
    changed = home_assistant.deployment(a_tenant(home_assistant={"configuration": "light: []\n"}), a_platform())
    hashes = [each["spec"]["template"]["metadata"]["annotations"][names.ANNOTATION_HASH] for each in (plain, changed)]
    assert hashes[0] != hashes[1]


def test_a_tenants_own_image_replaces_the_providers() -> None:
    spec = pod(ollama.deployment(a_tenant(ollama={"image": "own/ollama:2"}), a_platform()))
    assert spec["containers"][0]["image"] == "own/ollama:2"


def test_a_gpu_is_requested_and_limited_alike_and_its_nodes_taint_is_tolerated() -> None:
    spec = pod(ollama.deployment(a_tenant(gpu=1), a_platform()))
    resources = spec["containers"][0]["resources"]
    assert resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"] == "1"
    assert spec["tolerations"][0]["key"] == "nvidia.com/gpu"


def test_the_pull_job_is_placed_as_ollama_is_without_taking_its_gpu() -> None:
    platform = a_platform(node_selector=(("pool", "homes"),))
    server, job = pod(ollama.deployment(a_tenant(gpu=1), platform)), pod(jobs.pull(a_tenant(gpu=1), platform, "uid"))
    assert job["nodeSelector"] == server["nodeSelector"]
    assert job["tolerations"] == server["tolerations"]
    assert "nvidia.com/gpu" not in job["containers"][0]["resources"]["requests"]


def test_the_name_ollama_leads_to_the_gateway_and_the_back_end_to_the_pod() -> None:
    backend, door = ollama.services(a_tenant(), a_platform())
    assert door["spec"]["externalName"] == "insula-gateway.insula-system.svc.cluster.local"
    assert backend["spec"]["clusterIP"] == "None"
    assert backend["metadata"]["labels"][names.LABEL_COMPONENT] == "ollama"
    assert names.LABEL_COMPONENT not in door["metadata"]["labels"]


def test_the_converse_job_mounts_the_account_and_the_key_it_needs() -> None:
    spec = pod(jobs.converse(a_tenant(), a_platform(), "fingerprint"))
    secrets = {each["secret"]["secretName"] for each in spec["volumes"] if "secret" in each}
    assert secrets == {"platform-account", "gateway-key"}


def test_a_job_for_another_purpose_has_another_hash() -> None:
    one, other = (objects.stamped(jobs.pull(a_tenant(), a_platform(), uid)) for uid in ("one", "other"))
    assert one["metadata"]["annotations"] != other["metadata"]["annotations"]


def test_volumes_take_the_plans_class_before_the_platforms() -> None:
    claims = storage.volumes(a_tenant(storage_class="fast"), a_platform(storage_class="slow"))
    assert {each["spec"]["storageClassName"] for each in claims} == {"fast"}
    assert "storageClassName" not in storage.volumes(a_tenant(), a_platform())[0]["spec"]


@pytest.mark.parametrize(
    ("flavour", "annotation"),
    [
        (IngressFlavour.NGINX, "nginx.ingress.kubernetes.io/proxy-read-timeout"),
        (IngressFlavour.TRAEFIK, "traefik.ingress.kubernetes.io/router.tls"),
    ],
)
def test_an_ingress_bears_its_controllers_annotations(flavour: IngressFlavour, annotation: str) -> None:
    assert annotation in route.ingress(a_tenant(), a_platform(ingress_flavour=flavour))["metadata"]["annotations"]


def test_an_ingress_may_bear_no_annotations() -> None:
    ingress = route.ingress(a_tenant(), a_platform(ingress_flavour=IngressFlavour.NONE))
    assert "annotations" not in ingress["metadata"]


def test_what_the_namespace_remembers_is_read_back_as_it_was_written() -> None:
    memory = Memory("uid", "volume", 3, "fingerprint", "conversation.home", "models", {"m:1": "sha256:1"}, "{}")
    assert Memory.from_annotations(memory.to_annotations()) == memory


def test_a_spoilt_memory_reads_as_if_nothing_was_known_and_keeps_the_data() -> None:
    spoilt = {
        names.ANNOTATION_PULLED: "[]",
        names.ANNOTATION_KEY_GENERATION: "x",
        names.ANNOTATION_DELETION_POLICY: "?",
    }
    assert Memory.from_annotations(spoilt) == Memory()


def variables(spec: Manifest) -> dict[str, str]:
    return {each["name"]: each["value"] for each in spec["containers"][0]["env"]}


def test_a_home_without_a_gpu_sees_none_whatever_its_images_ask_for() -> None:
    for spec in (
        pod(ollama.deployment(a_tenant(), a_platform())),
        pod(home_assistant.deployment(a_tenant(gpu=1), a_platform())),
    ):
        assert variables(spec)["NVIDIA_VISIBLE_DEVICES"] == "void"


def test_ollama_on_a_gpu_sees_what_the_device_plugin_shows_it() -> None:
    assert "NVIDIA_VISIBLE_DEVICES" not in variables(pod(ollama.deployment(a_tenant(gpu=1), a_platform())))


def test_a_shares_reserve_is_left_to_its_neighbours() -> None:
    device = Gpu(GpuClass.SHARED, reserve_mib=1024)
    found = variables(pod(ollama.deployment(a_tenant(gpu=1, device=device), a_platform())))
    assert found["OLLAMA_GPU_OVERHEAD"] == str(1024 * 1024 * 1024)
    assert (found["OLLAMA_MAX_LOADED_MODELS"], found["OLLAMA_NUM_PARALLEL"]) == ("1", "1")


def test_a_share_is_looked_for_on_the_nodes_that_are_parted_so_beside_the_providers_own_choice() -> None:
    device = Gpu(GpuClass.SHARED, config="shared-4")
    platform = a_platform(node_selector=(("pool", "homes"),))
    spec = pod(ollama.deployment(a_tenant(gpu=1, device=device), platform))
    assert spec["nodeSelector"] == {"pool": "homes", "nvidia.com/device-plugin.config": "shared-4"}
