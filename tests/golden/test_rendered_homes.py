"""Every object of a home, one file each: `fresh` shows them all, each other case what differs from it.

`GOLDEN=write pytest tests/golden` writes the files anew; review what changed as you would review code.
"""

import os
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from builders import (
    MODELS_UID,
    SHARED_MODELS,
    a_platform,
    a_platform_without_internet,
    a_situation,
    a_sleeper,
    a_tenant,
)
from hardening import Objects, faults
from insula.domain import names
from insula.domain.gpu import Gpu, GpuClass
from insula.domain.manifests import Manifest
from insula.domain.models import ModelForm
from insula.domain.platform import IngressFlavour, Platform
from insula.domain.probes import WITHIN
from insula.domain.situation import Memory, Situation
from insula.render.stack import stack
from pod_security import violations

HERE = Path(__file__).parent
SCRIPTS = ("start.py", "claim.py")
LATER: Mapping[str, Any] = {"route": True, "pull": MODELS_UID, "converse": "fingerprint"}

CASES: Mapping[str, tuple[Situation, Platform]] = {
    "fresh": (a_situation(), a_platform()),
    "claimed": (
        a_situation(memory=Memory(tenant_uid="tenant", claimed_volume="volume"), route=True, pull=MODELS_UID),
        a_platform(),
    ),
    "ready": (
        a_situation(
            memory=Memory(
                tenant_uid="tenant",
                claimed_volume="volume",
                conversing="fingerprint",
                agent="conversation.home",
                pulled_volume=MODELS_UID,
                pulled={"gemma3:270m": "sha256:1"},
                accepted_spec='{"tenant": {}, "plan": {}}',
            ),
            **LATER,
        ),
        a_platform(),
    ),
    "suspended": (a_situation(a_tenant(suspended=True), **LATER), a_platform()),
    "asleep": (a_situation(a_sleeper(), asleep=True), a_platform()),
    "waking": (a_situation(a_sleeper(), obstacle="Unschedulable: no node takes Ollama"), a_platform()),
    "gpu": (a_situation(a_tenant(gpu=1), pull=MODELS_UID), a_platform(node_selector=(("insula.dev/pool", "homes"),))),
    **{
        f"gpu-{device.kind}": (a_situation(a_tenant(gpu=1, device=device), pull=MODELS_UID), a_platform())
        for device in (
            Gpu(GpuClass.SHARED, renamed=True, config="shared-4", reserve_mib=1024),
            Gpu(GpuClass.MPS, config="mps-4"),
            Gpu(GpuClass.MIG, profile="1g.10gb"),
        )
    },
    "gpu-none": (
        a_situation(a_tenant(device=Gpu(GpuClass.NONE)), pull=MODELS_UID),
        a_platform(gpu_resources=("nvidia.com/mig-1g.10gb",)),
    ),
    "shared-models": (
        a_situation(
            a_tenant(
                models=("qwen3:8b", "gemma3:270m"), ollama={"model_form": ModelForm.IMAGE, "shared": SHARED_MODELS}
            )
        ),
        a_platform(),
    ),
    "moving": (a_situation(moving=True), a_platform(move_after_s=None)),
    "allowed-cidrs": (a_situation(a_tenant(allowed_cidrs=("192.168.7.0/24",))), a_platform()),
    "traefik": (a_situation(route=True), a_platform(ingress_flavour=IngressFlavour.TRAEFIK)),
    "plain-ingress": (a_situation(route=True), a_platform(ingress_flavour=IngressFlavour.NONE, issuer_name="")),
    "own-images": (
        a_situation(
            a_tenant(
                home_assistant={"image": "own/home-assistant:2", "configuration": "input_boolean: {}\n"},
                ollama={"image": "own/ollama:2"},
            )
        ),
        a_platform(),
    ),
    "without-internet": (a_situation(pull=MODELS_UID), a_platform_without_internet()),
    "probed": (a_situation(probe="after nothing near bob", neighbour="bob"), a_platform_without_internet()),
    "retained": (
        replace(a_situation(), tenant=None, memory=Memory(tenant_uid="tenant", retained_since="2026-11-25T12:00:00Z")),
        a_platform(),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_home_is_rendered_as_reviewed(case: str) -> None:
    if os.environ.get("GOLDEN") == "write":
        _write(case)
    for name, manifest in _shown(case).items():
        assert (HERE / case / f"{name}.yaml").read_text(encoding="utf-8") == _text(manifest)


@pytest.mark.parametrize("case", CASES)
def test_every_pod_keeps_to_pod_security_restricted(case: str) -> None:
    found = {pod.owner: list(violations(pod.spec)) for pod in Objects(_rendered(case).values()).pods}
    assert {owner: broken for owner, broken in found.items() if broken} == {}


@pytest.mark.parametrize("case", CASES)
def test_every_home_meets_the_controls_of_the_hardening_guide(case: str) -> None:
    assert faults(_rendered(case).values()) == {}


def test_the_cases_show_every_kind_of_pod() -> None:
    owners = {pod.owner for case in CASES for pod in Objects(_rendered(case).values()).pods}
    deployments = {f"Deployment {name}" for name in (names.HOME_ASSISTANT, names.OLLAMA)}
    probes = {f"Job {names.probe(position)}" for position in WITHIN}
    assert owners == deployments | probes | {f"Job {name}" for name in (names.PULL, names.CONVERSE)}


@pytest.mark.parametrize("case", CASES)
def test_no_golden_file_is_left_over(case: str) -> None:
    assert {path.stem for path in (HERE / case).glob("*.yaml")} == set(_shown(case))


def test_every_golden_directory_is_a_case() -> None:
    assert {path.parent.name for path in HERE.glob("*/*.yaml")} == set(CASES)


def _write(case: str) -> None:
    directory = HERE / case
    directory.mkdir(exist_ok=True)
    for path in directory.glob("*.yaml"):
        path.unlink()
    for name, manifest in _shown(case).items():
        (directory / f"{name}.yaml").write_text(_text(manifest), encoding="utf-8")


class _PlainDumper(yaml.SafeDumper):
    """Writes a value that occurs twice twice, for a person reads this."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(manifest: Manifest) -> str:
    return yaml.dump(manifest, Dumper=_PlainDumper, sort_keys=False, width=120, allow_unicode=True)


def _shown(case: str) -> dict[str, Manifest]:
    """Return what a case shows: all of it, or what differs from the fresh home."""
    rendered = _rendered(case)
    if case == "fresh":
        return rendered
    fresh = _rendered("fresh")
    return {name: manifest for name, manifest in rendered.items() if manifest != fresh.get(name)}


def _rendered(case: str) -> dict[str, Manifest]:
    whole = stack(*CASES[case])
    return {
        f"{each['kind'].lower()}-{each['metadata']['name']}": _readable(each) for each in whole.ground + whole.house
    }


def _readable(manifest: Manifest) -> Manifest:
    """Leave out what no person reviews here: hashes, and the text of scripts that have tests of their own."""
    shown = deepcopy(manifest)
    templates = [shown, shown.get("spec", {}).get("template", {})]
    for annotations in (each.get("metadata", {}).get("annotations", {}) for each in templates):
        if names.ANNOTATION_HASH in annotations:
            annotations[names.ANNOTATION_HASH] = "(hash)"
    if manifest["kind"] == "ConfigMap":
        shown["data"] |= dict.fromkeys(SCRIPTS, "(text)")
    return shown
