"""Asks the API server what it would let into a tenant's namespace, and what the tenant's accounts may do."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from insula.domain import names, probes
from insula.domain.errors import InsulaError, RefusedError, cap
from insula.domain.manifests import Manifest, ObjectRef
from insula.domain.platform import Platform
from insula.domain.probes import Expected, Position, Probe, Result
from insula.render import samples
from insula.render.namespace import POD_SECURITY
from insula.services.surroundings import Eyes

# What Kubernetes writes when it is the person who may not do this: then nothing was tried.
NOT_YOURS: Final = ("cannot create resource", "cannot dry-run")
ACCOUNTS: Final = (names.HOME_ASSISTANT, names.OLLAMA, names.JOBS, "default")
POD_SECURITY_CHECK: Final = "pod-security"
TOKENS_CHECK: Final = "tokens"
CHECKS: Final = (POD_SECURITY_CHECK, TOKENS_CHECK)


class Judge(Eyes, Protocol):
    """What rehearsing needs from Kubernetes."""

    async def find(self, ref: ObjectRef) -> Manifest | None:
        """Return the object, or None where it does not exist."""

    async def rehearse(self, manifest: Manifest) -> None:
        """Have the API server judge the creation of an object that is not kept; raises what it refuses with."""

    async def may(self, user: str, groups: Sequence[str], attributes: Mapping[str, str]) -> bool:
        """Say whether somebody may do something."""


async def rehearse(cluster: Judge, tenant: str, neighbours: Sequence[str], platform: Platform) -> list[Result]:
    """Return what the API server refuses and takes; what this person may not ask is not tried."""
    name, sample = samples.allowed(tenant, platform)
    tries = [_admission(cluster, name, sample, Expected.ALLOWED)]
    tries += [
        _admission(cluster, name, sample, Expected.REFUSED)
        for name, sample in samples.forbidden(tenant, platform).items()
    ]
    tries += [_right(cluster, tenant, name, *asked) for name, asked in rights(tenant, neighbours).items()]
    tries += [_pod_security(cluster, tenant), _tokens(cluster, tenant)]
    return list(await asyncio.gather(*tries))


def rights(tenant: str, neighbours: Sequence[str]) -> Mapping[str, tuple[str, Mapping[str, str]]]:
    """Return what the home's accounts may not do, by name: in words, and as the API server is asked."""
    own = names.namespace(tenant)
    found = {
        "own-secrets": _asked("get", "secrets", own),
        "make-pods": _asked("create", "pods", own),
        "enter-pods": _asked("create", "pods/exec", own),
        "volumes": _asked("create", "persistentvolumeclaims", own),
        "walls": _asked("delete", "networkpolicies", own, group="networking.k8s.io"),
        "quotas": _asked("patch", "resourcequotas", own),
        "nodes": _asked("list", "nodes"),
        "namespaces": _asked("list", "namespaces"),
        "tenants": _asked("list", "tenants", group=names.GROUP),
    }
    if neighbours:
        found["neighbour-secrets"] = _asked("get", "secrets", names.namespace(neighbours[0]))
    return found


def _asked(verb: str, what: str, namespace: str = "", *, group: str = "") -> tuple[str, Mapping[str, str]]:
    resource, _, subresource = what.partition("/")
    attributes = {
        "verb": verb,
        "group": group,
        "resource": resource,
        "subresource": subresource,
        "namespace": namespace,
    }
    return f"{verb} {what}" + (f" in {namespace}" if namespace else ""), attributes


async def _admission(cluster: Judge, name: str, sample: Manifest, expected: Expected) -> Result:
    target = f"create {sample['kind']} in {sample['metadata']['namespace']}"
    probe = Probe(name, Position.API, target, expected)
    try:
        await cluster.rehearse(sample)
    except RefusedError as error:
        why = cap(error.message)
        if any(words in error.message for words in NOT_YOURS):
            return Result(probe, probes.NOT_TRIED, why)
        return Result(probe, probes.REFUSED, why)
    except InsulaError as error:
        return Result(probe, probes.NOT_TRIED, cap(error.message))
    return Result(probe, probes.ACCEPTED)


async def _right(cluster: Judge, tenant: str, name: str, what: str, attributes: Mapping[str, str]) -> Result:
    probe = Probe(name, Position.API, f"the home's accounts: {what}", Expected.REFUSED)
    space = names.namespace(tenant)
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{space}", "system:authenticated")
    try:
        for account in ACCOUNTS:
            if await cluster.may(f"system:serviceaccount:{space}:{account}", groups, attributes):
                return Result(probe, probes.ACCEPTED, f"the account {account} may")
    except InsulaError as error:
        return Result(probe, probes.NOT_TRIED, cap(error.message))
    return Result(probe, probes.REFUSED)


async def _pod_security(cluster: Judge, tenant: str) -> Result:
    space = names.namespace(tenant)
    probe = Probe(POD_SECURITY_CHECK, Position.API, f"{space} enforces restricted", Expected.ALLOWED)
    found = await cluster.find(ObjectRef("v1", "Namespace", "", space))
    label = (found or {}).get("metadata", {}).get("labels", {}).get(f"{POD_SECURITY}/enforce", "")
    return Result(probe, probes.ACCEPTED if label == "restricted" else probes.REFUSED, label or "no label")


async def _tokens(cluster: Judge, tenant: str) -> Result:
    probe = Probe(TOKENS_CHECK, Position.API, "a token of the API server in a pod of the home", Expected.REFUSED)
    labels = {names.LABEL_TENANT: tenant}
    try:
        pods = await cluster.list("v1", "Pod", namespace=names.namespace(tenant), labels=labels)
    except InsulaError as error:
        return Result(probe, probes.NOT_TRIED, cap(error.message))
    holders = [str(pod["metadata"]["name"]) for pod in pods if _has_token(pod)]
    return Result(probe, probes.ACCEPTED, cap(", ".join(holders))) if holders else Result(probe, probes.REFUSED)


def _has_token(pod: Manifest) -> bool:
    spec: Mapping[str, Any] = pod.get("spec", {})
    sources = [
        source for volume in spec.get("volumes", []) for source in volume.get("projected", {}).get("sources", [])
    ]
    return any("serviceAccountToken" in source for source in sources)
