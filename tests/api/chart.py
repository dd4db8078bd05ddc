"""The chart as Helm renders it: what the tests install is never a copy of it."""

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import yaml

from api import programs
from insula.domain.manifests import Manifest
from insula.sandbox.commands import run

CHART: Final = Path(__file__).parents[2] / "charts" / "insula"
MINIMAL: Final = CHART / "ci" / "minimal-values.yaml"
RELEASE: Final = "insula-system"
KUBERNETES: Final = "1.37.0"
_KNOWS_POLICIES: Final = "--api-versions=admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy"


@functools.cache
def rendered(*settings: str, values: Path = MINIMAL, knows_policies: bool = True) -> tuple[Manifest, ...]:
    """Return the objects of a release, CRDs left out.

    Args:
        settings: Single values, `key=value`.
        values: A file of values.
        knows_policies: Whether the API server knows ValidatingAdmissionPolicies.
    """
    argv: list[str | Path] = [programs.helm(), "template", "insula", CHART, "--namespace", RELEASE, "--values", values]
    argv += [f"--kube-version={KUBERNETES}", *([_KNOWS_POLICIES] if knows_policies else [])]
    text = run([*argv, *(f"--set-json={setting}" for setting in settings)])
    return tuple(each for each in yaml.safe_load_all(text) if each and each["kind"] != "CustomResourceDefinition")


def of_kinds(*kinds: str, among: Iterable[Manifest] | None = None) -> list[Manifest]:
    """Return the release's objects of these kinds."""
    return [each for each in (rendered() if among is None else among) if each["kind"] in kinds]


def roles() -> list[Manifest]:
    """Return all roles and their bindings."""
    return of_kinds("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")


def admission() -> list[Manifest]:
    """Return the admission policies and their bindings."""
    return of_kinds("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
