"""The 26 controls of the NSA's and CISA's Kubernetes Hardening Guide, as Kubescape numbers them, judged on manifests.

A control that is a matter of how a cluster is set up has no judge: docs/explanation/hardening.md says what to look at.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from insula.domain.manifests import Manifest

SECRET_WORDS: Final = re.compile(r"passw|secret|token|credential|private.?key|api.?key", re.IGNORECASE)
SNIPPETS: Final = ("snippet", "auth-url", "server-alias")


@dataclass(frozen=True)
class Pod:
    """A pod that a manifest is or makes, with the name of that manifest."""

    owner: str
    namespace: str
    labels: Mapping[str, str]
    spec: Manifest

    @property
    def security(self) -> Manifest:
        return dict(self.spec.get("securityContext", {}))

    @property
    def containers(self) -> list[Manifest]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]


class Objects:
    """What is judged together: a home, or a release of the chart."""

    def __init__(self, manifests: Iterable[Manifest]) -> None:
        self.all = list(manifests)

    def of(self, *kinds: str) -> list[Manifest]:
        return [each for each in self.all if each["kind"] in kinds]

    @property
    def pods(self) -> Iterator[Pod]:
        for each in self.all:
            template = each.get("spec", {}).get("template") if each["kind"] != "Pod" else each
            if template:
                name, namespace = each["metadata"]["name"], each["metadata"]["namespace"]
                yield Pod(f"{each['kind']} {name}", namespace, template["metadata"]["labels"], template["spec"])

    @property
    def containers(self) -> Iterator[tuple[str, Pod, Manifest]]:
        for pod in self.pods:
            for container in pod.containers:
                yield f"{pod.owner}, {container['name']}", pod, container

    @property
    def rules(self) -> Iterator[tuple[str, Manifest]]:
        for role in self.of("Role", "ClusterRole"):
            for rule in role.get("rules", []):
                yield role["metadata"]["name"], rule


Faults = Iterator[str]
Judge = Callable[[Objects], Faults]


@dataclass(frozen=True)
class Control:
    """One control. Without a judge it is about the cluster, not about what Insula makes."""

    number: str
    title: str
    judge: Judge | None = None


def faults(manifests: Iterable[Manifest]) -> dict[str, list[str]]:
    """Return what each control finds; controls that find nothing are left out."""
    objects = Objects(manifests)
    found = {each.number: list(each.judge(objects)) for each in CONTROLS if each.judge}
    return {number: texts for number, texts in found.items() if texts}


def _enters_pods(objects: Objects) -> Faults:
    for role, rule in objects.rules:
        if {"pods/exec", "pods/attach", "pods/*", "*"} & set(rule.get("resources", [])):
            yield role


def _tells_secrets(objects: Objects) -> Faults:
    for where, _, container in objects.containers:
        for variable in container.get("env", []):
            if SECRET_WORDS.search(variable["name"]) and "value" in variable:
                yield f"{where}: {variable['name']}"
    for config in objects.of("ConfigMap"):
        for key, text in config.get("data", {}).items():
            if SECRET_WORDS.search(key) or "PRIVATE KEY" in text:
                yield f"ConfigMap {config['metadata']['name']}: {key}"


def _runs_as_root(objects: Objects) -> Faults:
    for where, pod, container in objects.containers:
        own = pod.security | container.get("securityContext", {})
        if own.get("runAsNonRoot") is not True or not own.get("runAsUser") or not own.get("runAsGroup"):
            yield where


def _in_container(field: str, wanted: Any) -> Judge:
    def judge(objects: Objects) -> Faults:
        for where, _, container in objects.containers:
            if container.get("securityContext", {}).get(field) != wanted:
                yield where

    return judge


def _in_pod(*fields: str) -> Judge:
    def judge(objects: Objects) -> Faults:
        for pod in objects.pods:
            yield from (f"{pod.owner}: {field}" for field in fields if pod.spec.get(field))

    return judge


def _is_open(objects: Objects) -> Faults:
    """Find pods that a direction of traffic is not shut for by any policy."""
    for pod in objects.pods:
        shut: set[str] = set()
        for policy in objects.of("NetworkPolicy"):
            same_place = policy["metadata"]["namespace"] == pod.namespace
            if same_place and _selects(policy["spec"]["podSelector"], pod.labels):
                shut |= set(policy["spec"]["policyTypes"])
        if shut != {"Ingress", "Egress"}:
            yield pod.owner


def _has_no_policy(objects: Objects) -> Faults:
    walled = {policy["metadata"]["namespace"] for policy in objects.of("NetworkPolicy")}
    yield from {pod.namespace for pod in objects.pods} - walled


def _selects(selector: Manifest, labels: Mapping[str, str]) -> bool:
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    return wanted and all(
        each["operator"] == "In" and labels.get(each["key"]) in each["values"]
        for each in selector.get("matchExpressions", [])
    )


def _holds_a_token(objects: Objects) -> Faults:
    """Find tokens for whom no role is bound: Insula's own two processes speak to the API server, no other does."""
    subjects = (each for binding in objects.of("RoleBinding", "ClusterRoleBinding") for each in binding["subjects"])
    bound = {(each.get("namespace"), each["name"]) for each in subjects}
    for account in objects.of("ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"ServiceAccount {account['metadata']['name']}"
    for pod in objects.pods:
        account_name = (pod.namespace, pod.spec.get("serviceAccountName"))
        if pod.spec.get("automountServiceAccountToken") is not False and account_name not in bound:
            yield pod.owner


def _administers(objects: Objects) -> Faults:
    for binding in objects.of("RoleBinding", "ClusterRoleBinding"):
        if binding["roleRef"]["name"] in ("cluster-admin", "admin", "edit"):
            yield binding["metadata"]["name"]
    for role, rule in objects.rules:
        if any("*" in rule.get(field, []) for field in ("verbs", "resources", "apiGroups")):
            yield role


def _takes_a_port_of_the_node(objects: Objects) -> Faults:
    for where, _, container in objects.containers:
        yield from (where for port in container.get("ports", []) if "hostPort" in port)


def _keeps_capabilities(objects: Objects) -> Faults:
    for where, _, container in objects.containers:
        capabilities = container.get("securityContext", {}).get("capabilities", {})
        if capabilities.get("add") or capabilities.get("drop") != ["ALL"]:
            yield where


def _has_no_seccomp(objects: Objects) -> Faults:
    for where, pod, container in objects.containers:
        own = pod.security | container.get("securityContext", {})
        if own.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield where


def _is_privileged(objects: Objects) -> Faults:
    yield from (where for where, _, each in objects.containers if each.get("securityContext", {}).get("privileged"))


def _mounts_a_sub_path(objects: Objects) -> Faults:
    for where, _, container in objects.containers:
        yield from (where for mount in container.get("volumeMounts", []) if {"subPath", "subPathExpr"} & set(mount))


def _lets_the_controller_be_scripted(objects: Objects) -> Faults:
    for ingress in objects.of("Ingress"):
        yield from (key for key in ingress["metadata"].get("annotations", {}) if any(each in key for each in SNIPPETS))


def _allows_weak_pods(objects: Objects) -> Faults:
    for namespace in objects.of("Namespace"):
        if namespace["metadata"]["labels"].get("pod-security.kubernetes.io/enforce") != "restricted":
            yield namespace["metadata"]["name"]


def _has_no_limit(resource: str) -> Judge:
    def judge(objects: Objects) -> Faults:
        for where, _, container in objects.containers:
            if not container.get("resources", {}).get("limits", {}).get(resource):
                yield where

    return judge


def _is_ingress_nginx(objects: Objects) -> Faults:
    yield from (where for where, _, each in objects.containers if "ingress-nginx" in each["image"])


CONTROLS: Final = (
    Control("C-0002", "Prevent containers from allowing command execution", _enters_pods),
    Control("C-0005", "API server insecure port is enabled"),
    Control("C-0012", "Applications credentials in configuration files", _tells_secrets),
    Control("C-0013", "Non-root containers", _runs_as_root),
    Control("C-0016", "Allow privilege escalation", _in_container("allowPrivilegeEscalation", False)),
    Control("C-0017", "Immutable container filesystem", _in_container("readOnlyRootFilesystem", True)),
    Control("C-0030", "Ingress and egress blocked", _is_open),
    Control("C-0034", "Automatic mapping of service account", _holds_a_token),
    Control("C-0035", "Administrative roles", _administers),
    Control("C-0038", "Host PID/IPC privileges", _in_pod("hostPID", "hostIPC")),
    Control("C-0041", "HostNetwork access", _in_pod("hostNetwork")),
    Control("C-0044", "Container hostPort", _takes_a_port_of_the_node),
    Control("C-0046", "Insecure capabilities", _keeps_capabilities),
    Control("C-0054", "Cluster internal networking", _has_no_policy),
    Control("C-0055", "Linux hardening", _has_no_seccomp),
    Control("C-0057", "Privileged container", _is_privileged),
    Control("C-0058", "CVE-2021-25741: symlinks in a subPath", _mounts_a_sub_path),
    Control("C-0059", "CVE-2021-25742: snippets in an Ingress", _lets_the_controller_be_scripted),
    Control("C-0066", "Secret/etcd encryption enabled"),
    Control("C-0067", "Audit logs enabled"),
    Control("C-0068", "PSP enabled", _allows_weak_pods),
    Control("C-0069", "Disable anonymous access to Kubelet service"),
    Control("C-0070", "Enforce Kubelet client TLS authentication"),
    Control("C-0270", "Ensure CPU limits are set", _has_no_limit("cpu")),
    Control("C-0271", "Ensure memory limits are set", _has_no_limit("memory")),
    Control("C-0292", "Ingress NGINX controller end of life", _is_ingress_nginx),
)
