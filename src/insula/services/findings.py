"""What the doctor concludes from what it saw: pure, one function a question, each with a remedy."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from insula.domain import names
from insula.domain.conditions import ConditionType
from insula.domain.manifests import Manifest
from insula.reconcile import reading
from insula.reconcile.reasons import Reason

OLDEST_MINOR: Final = 28  # Kubernetes 1.28: CEL in CRDs is stable enough for our rules
DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
# DaemonSets of networks that enforce NetworkPolicy, and of one that is known not to.
ENFORCING: Final = ("cilium", "calico-node", "antrea-agent", "kube-router", "canal", "weave-net", "kindnet")
NOT_ENFORCING: Final = ("kube-flannel-ds", "kube-flannel")


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"  # works, or cannot be known from here
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """One check: what was looked at, how it ended, the reason, and what to do (empty where nothing needs doing)."""

    check: str
    verdict: Verdict
    reason: str
    remedy: str = ""


def ok(check: str, reason: str) -> Finding:
    """Return a finding that needs no action."""
    return Finding(check, Verdict.OK, reason)


def failed(check: str, reason: str, remedy: str) -> Finding:
    """Return a finding without which Insula does not work."""
    return Finding(check, Verdict.FAILED, reason, remedy)


def warning(check: str, reason: str, remedy: str) -> Finding:
    """Return a finding that a person should look at."""
    return Finding(check, Verdict.WARNING, reason, remedy)


def version(git_version: str) -> Finding:
    """Judge the API server's version."""
    check = "Kubernetes version"
    match = re.match(r"v?(\d+)\.(\d+)", git_version)
    if match is None:
        return warning(check, f"the version {git_version!r} cannot be read", f"Insula needs 1.{OLDEST_MINOR} or newer")
    if (int(match[1]), int(match[2])) < (1, OLDEST_MINOR):
        return failed(check, f"{git_version} is too old", f"upgrade the cluster to 1.{OLDEST_MINOR} or newer")
    return ok(check, git_version)


def definition(name: str, found: Manifest | None) -> Finding:
    """Judge whether a CustomResourceDefinition is installed and served."""
    check = f"API {name}"
    if found is None:
        return failed(
            check, "the CustomResourceDefinition is missing", "install Insula: docs/how-to/install-with-helm.md"
        )
    if not reading.holds(found, "Established"):
        return failed(check, "the API server does not serve it yet", f"`kubectl describe crd {name}` shows why")
    return ok(check, "served")


def deployment(component: str, found: Sequence[Manifest]) -> Finding:
    """Judge whether one of Insula's own Deployments is there and ready."""
    if not found:
        return failed(component, "no Deployment of it was found", "install Insula: docs/how-to/install-with-helm.md")
    metadata = found[0]["metadata"]
    where = f"{metadata['namespace']}/{metadata['name']}"
    ready = found[0].get("status", {}).get("readyReplicas", 0)
    wanted = found[0].get("spec", {}).get("replicas", 1)
    if not ready:
        remedy = f"`kubectl -n {metadata['namespace']} describe deployment {metadata['name']}` shows why"
        return failed(component, f"{where} has no ready pod of {wanted}", remedy)
    if ready < wanted:
        return warning(component, f"{where} has {ready} ready pods of {wanted}", "wait, or look at its pods' events")
    return ok(component, f"{where}, {ready} of {wanted} ready")


def plans(found: Sequence[Manifest]) -> Finding:
    """Judge whether a tenant can have a plan at all."""
    if not found:
        return failed("plans", "there is no Plan", "`kubectl apply` one: every tenant names a plan")
    return ok("plans", ", ".join(sorted(each["metadata"]["name"] for each in found)))


def ingress_class(wanted: str, found: Sequence[Manifest]) -> Finding:
    """Judge whether the Ingress class that tenants' routes name exists."""
    known = sorted(each["metadata"]["name"] for each in found)
    if wanted in known:
        return ok("ingress class", wanted)
    seen = f"the cluster has {', '.join(known)}" if known else "the cluster has none"
    remedy = "install an ingress controller, or set the class in the chart's values"
    return failed("ingress class", f"class {wanted!r} does not exist; {seen}", remedy)


def storage_class(wanted: str, found: Sequence[Manifest]) -> Finding:
    """Judge whether volumes can be made: of the class in the values or, where that is empty, of the default one."""
    known = {each["metadata"]["name"]: each["metadata"].get("annotations", {}) for each in found}
    default = sorted(name for name, annotations in known.items() if annotations.get(DEFAULT_CLASS) == "true")
    if wanted:
        if wanted in known:
            return ok("storage class", wanted)
        return failed("storage class", f"class {wanted!r} does not exist", "name one of `kubectl get storageclass`")
    if not default:
        remedy = "mark one class as the default, or set the class in the chart's values"
        return failed("storage class", "the cluster has no default storage class", remedy)
    return ok("storage class", f"{default[0]} (the cluster's default)")


def issuer(kind: str, name: str, found: Manifest | None) -> Finding:
    """Judge whether cert-manager can issue the tenants' certificates."""
    if not name:
        return warning("issuer", "the values name no issuer: homes get no certificate", "set the issuer in the values")
    if found is None:
        return failed("issuer", f"{kind} {name} does not exist", "install cert-manager and make the issuer")
    if not reading.holds(found, "Ready"):
        return failed("issuer", f"{kind} {name} is not ready", f"`kubectl describe {kind.lower()} {name}` shows why")
    return ok("issuer", f"{kind} {name} is ready")


def network_policies(
    daemon_sets: Sequence[Manifest], nodes: Sequence[Manifest], tenants: Sequence[Manifest] = ()
) -> Finding:
    """Judge whether the walls between tenants are enforced: by the homes' own probes, else by the network's name."""
    check = "network policies"
    isolated = ConditionType.ISOLATED
    reasons = {each["metadata"]["name"]: reading.condition(each, isolated).get("reason") for each in tenants}
    if through := sorted(name for name, reason in reasons.items() if reason == Reason.WALL_OPEN):
        remedy = f"`insula verify {through[0]}` shows the paths; a network that does not enforce policies is none"
        return failed(check, f"a probe went through the walls of {', '.join(through[:3])}", remedy)
    if proven := sum(reading.holds(each, isolated) for each in tenants):
        return ok(check, f"enforced: probes from inside proved it in {proven} of {len(tenants)} homes")
    known = {each["metadata"]["name"] for each in daemon_sets}
    enforcing = sorted(name for name in known if name.startswith(ENFORCING))
    if enforcing:
        return ok(check, f"enforced by {enforcing[0]}")
    kubelets = [each.get("status", {}).get("nodeInfo", {}).get("kubeletVersion", "") for each in nodes]
    if any("+k3s" in each or "+rke2" in each for each in kubelets):
        return ok(check, "enforced by k3s' own controller, unless it was switched off")
    if known & set(NOT_ENFORCING):
        remedy = "without enforcement tenants can reach each other: use a network that enforces, such as Cilium"
        return failed(check, "flannel alone does not enforce them", remedy)
    remedy = "create a tenant and run `insula verify` on it: its probes find out"
    return warning(check, "no network that is known to enforce them was seen", remedy)


def domain_name(host: str, addresses: Sequence[str]) -> Finding:
    """Judge whether a tenant's host name leads anywhere from this machine."""
    if addresses:
        return ok("DNS", f"{host} leads to {addresses[0]}")
    remedy = "add a wildcard record for the domain that leads to the ingress controller's address"
    return warning("DNS", f"{host} has no address on this machine: browsers will not find homes", remedy)


DEFINITIONS: Final = (f"tenants.{names.GROUP}", f"plans.{names.GROUP}")
