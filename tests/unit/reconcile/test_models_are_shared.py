"""A home whose plan takes models from images: nothing is fetched by a Job, and Ollama starts with its models."""

from dataclasses import replace
from typing import Any

from builders import MODEL, SHARED_MODELS, World, a_tenant
from insula.domain import names
from insula.domain.manifests import ObjectRef
from insula.domain.models import ModelForm, ModelImage
from insula.domain.tenants import Tenant

GEMMA, QWEN = SHARED_MODELS


def a_sharing_tenant(*models: str, known: tuple[ModelImage, ...] = SHARED_MODELS, **fields: Any) -> Tenant:
    wanted = models or (MODEL,)
    shared = tuple(each for each in known if each.model in wanted)
    return a_tenant(models=wanted, ollama={"model_form": ModelForm.IMAGE, "shared": shared}, **fields)


def a_world(*models: str, **fields: Any) -> World:
    return World(desired=a_sharing_tenant(*models, **fields))


def restart_ollama(world: World, *, ready: bool = True) -> None:
    """Do what the Deployment's controller does after a change of the template."""
    gone = [
        ref
        for ref, pod in world.objects.items()
        if ref.kind == "Pod" and pod["metadata"]["labels"].get(names.LABEL_COMPONENT) == names.OLLAMA
    ]
    for ref in gone:
        del world.objects[ref]
    world.start_ollama(ready=ready)


def test_a_home_that_shares_has_no_volume_for_models_and_no_pull_job() -> None:
    world = a_world().claimed()
    assert not world.has("PersistentVolumeClaim", names.OLLAMA_MODELS)
    assert not world.has("Job", names.PULL)


def test_models_are_ready_as_soon_as_ollama_answers_with_them() -> None:
    world = a_world().settle()
    assert world.condition("ModelsReady")["status"] == "False"
    world.start_home_assistant().start_ollama().settle()
    assert world.condition("ModelsReady")["reason"] == "Present"
    assert world.tenant is not None
    assert world.tenant["status"]["models"] == [{"name": MODEL, "digest": GEMMA.digest}]
    assert world.has("Job", names.CONVERSE)


def test_another_model_is_there_when_ollama_has_started_with_it() -> None:
    world = a_world().claimed()
    world.desired = a_sharing_tenant(MODEL, QWEN.model)
    world.step()
    # The Deployment names the image already; the pod that answers was made of the old one.
    world.settle()
    assert world.condition("ModelsReady")["reason"] == "Making"
    restart_ollama(world)
    world.settle()
    assert world.condition("ModelsReady")["status"] == "True"
    assert world.memory().pulled == {MODEL: GEMMA.digest, QWEN.model: QWEN.digest}


def test_a_model_without_an_image_is_told_with_a_remedy_and_the_home_runs_without_it() -> None:
    world = a_world(MODEL, "llama3:8b").claimed()
    condition = world.condition("ModelsReady")
    assert condition["reason"] == "NoImage"
    assert "llama3:8b" in condition["message"]
    assert "insula model publish" in condition["message"]
    assert world.condition("OllamaReady")["status"] == "True"


def test_an_image_that_the_node_cannot_fetch_is_told_as_what_keeps_the_models() -> None:
    world = a_world().settle()
    waiting = {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{GEMMA.image}"'}
    containers = [{"name": names.OLLAMA, "image": "registry.test/ollama:1", "state": {"waiting": waiting}}]
    world.add_pod(names.OLLAMA, status={"phase": "Pending", "containerStatuses": containers})
    world.settle()
    condition = world.condition("ModelsReady")
    assert condition["reason"] == "ImagePullFailed"
    assert GEMMA.image in condition["message"]


def test_a_republished_model_counts_as_missing_until_ollama_has_it() -> None:
    world = a_world().claimed()
    changed = replace(GEMMA, image="registry.test/x@sha256:3", digest="sha256:c")
    world.desired = a_sharing_tenant(MODEL, known=(changed,))
    world.settle()
    assert world.condition("ModelsReady")["status"] == "False"
    restart_ollama(world)
    world.settle()
    assert world.memory().pulled == {MODEL: "sha256:c"}


def test_models_stay_known_while_ollama_restarts() -> None:
    world = a_world().claimed()
    restart_ollama(world, ready=False)
    world.settle()
    assert world.condition("ModelsReady")["status"] == "True"


def test_a_suspended_home_that_never_had_its_models_says_so() -> None:
    world = a_world(suspended=True).settle()
    assert world.condition("ModelsReady")["reason"] == "Suspended"


def test_a_home_that_begins_to_share_keeps_the_volume_that_it_had() -> None:
    world = World().ready()
    world.desired = a_sharing_tenant()
    world.settle()
    restart_ollama(world)
    world.settle()
    claim = ObjectRef("v1", "PersistentVolumeClaim", names.namespace("alice"), names.OLLAMA_MODELS)
    assert claim in world.objects
    assert not world.has("Job", names.PULL)
    assert world.condition("ModelsReady")["status"] == "True"


def test_a_home_that_shares_no_more_fetches_its_own_copy() -> None:
    world = a_world().claimed()
    world.desired = a_tenant()
    world.settle()
    world.bind_volumes()
    restart_ollama(world)
    world.settle()
    assert world.condition("ModelsReady")["reason"] == "Pulling"
    assert world.has("Job", names.PULL)
