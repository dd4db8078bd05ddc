"""Each control that judges a home finds the fault that it is there for."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest

from builders import MODELS_UID, a_platform, a_situation
from hardening import CONTROLS, faults
from insula.domain.manifests import Manifest
from insula.render.stack import stack

Home = dict[tuple[str, str], Manifest]


def a_home() -> Home:
    rendered = stack(a_situation(route=True, pull=MODELS_UID), a_platform())
    return {(each["kind"], each["metadata"]["name"]): each for each in (*rendered.ground, *rendered.house)}


def pod(home: Home) -> Manifest:
    spec: Manifest = home["Deployment", "home-assistant"]["spec"]["template"]["spec"]
    return spec


def container(home: Home) -> Manifest:
    first: Manifest = pod(home)["containers"][0]
    return first


def security(**fields: Any) -> Callable[[Home], None]:
    return lambda home: container(home)["securityContext"].update(fields)


def a_role(**rule: Any) -> Callable[[Home], None]:
    role = {"kind": "Role", "metadata": {"name": "x", "namespace": "insula-alice"}, "rules": [rule]}
    return lambda home: home.update({("Role", "x"): role})


BROKEN: Final[Mapping[str, Callable[[Home], Any]]] = {
    "C-0002": a_role(apiGroups=[""], resources=["pods/exec"], verbs=["create"]),
    "C-0012": lambda home: container(home)["env"].append({"name": "ADMIN_PASSWORD", "value": "x"}),
    "C-0013": lambda home: pod(home)["securityContext"].update(runAsUser=0),
    "C-0016": security(allowPrivilegeEscalation=True),
    "C-0017": security(readOnlyRootFilesystem=False),
    "C-0030": lambda home: home.pop(("NetworkPolicy", "default-deny")),
    "C-0034": lambda home: pod(home).update(automountServiceAccountToken=True),
    "C-0035": a_role(apiGroups=[""], resources=["services"], verbs=["*"]),
    "C-0038": lambda home: pod(home).update(hostPID=True),
    "C-0041": lambda home: pod(home).update(hostNetwork=True),
    "C-0044": lambda home: container(home)["ports"][0].update(hostPort=8123),
    "C-0046": security(capabilities={"drop": []}),
    "C-0054": lambda home: [home.pop(each) for each in list(home) if each[0] == "NetworkPolicy"],
    "C-0055": lambda home: pod(home)["securityContext"].pop("seccompProfile"),
    "C-0057": security(privileged=True),
    "C-0058": lambda home: container(home)["volumeMounts"][0].update(subPath="x"),
    "C-0059": lambda home: home["Ingress", "home-assistant"]["metadata"]["annotations"].update(
        {"nginx.ingress.kubernetes.io/configuration-snippet": "x"}
    ),
    "C-0068": lambda home: home["Namespace", "insula-alice"]["metadata"]["labels"].update(
        {"pod-security.kubernetes.io/enforce": "baseline"}
    ),
    "C-0270": lambda home: container(home)["resources"]["limits"].pop("cpu"),
    "C-0271": lambda home: container(home)["resources"]["limits"].pop("memory"),
    "C-0292": lambda home: container(home).update(image="registry.k8s.io/ingress-nginx/controller:1"),
}


@pytest.mark.parametrize("number", [each.number for each in CONTROLS if each.judge])
def test_a_control_finds_its_fault(number: str) -> None:
    home = a_home()
    assert faults(home.values()) == {}
    BROKEN[number](home)
    assert number in faults(home.values())


def test_the_guide_has_26_controls() -> None:
    assert len({each.number for each in CONTROLS}) == 26
