"""What must not come into a tenant's namespace, as samples for the API server to refuse, and one that it must take."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from insula.domain import names
from insula.domain.manifests import Manifest
from insula.domain.platform import Platform
from insula.render import jobs, objects, pods

NAME: Final = "insula-verify"
PLAIN: Final = "plain-pod"
TOO_MUCH: Final = "1Ti"  # of memory: no plan gives a Job so much


def allowed(tenant: str, platform: Platform) -> tuple[str, Manifest]:
    """Return the name and the sample that must be taken: otherwise a refusal of the others proves nothing."""
    return PLAIN, _pod(tenant, platform)


def forbidden(tenant: str, platform: Platform) -> Mapping[str, Manifest]:
    """Return the samples that must be refused, by name."""
    root = {"runAsUser": 0, "runAsNonRoot": False}
    host_path = {"volumes": [pods.scratch_volume("tmp", "64Mi"), {"name": "node", "hostPath": {"path": "/"}}]}
    much = {"limits": {"cpu": "1", "memory": TOO_MUCH}, "requests": {"cpu": "1", "memory": TOO_MUCH}}
    return {
        "privileged-pod": _pod(tenant, platform, container={"securityContext": {"privileged": True}}),
        "privilege-escalation": _pod(
            tenant, platform, container={"securityContext": {"allowPrivilegeEscalation": True}}
        ),
        "root-pod": _pod(tenant, platform, spec={"securityContext": root}),
        "added-capability": _pod(
            tenant, platform, container={"securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}
        ),
        "host-path": _pod(tenant, platform, spec=host_path),
        "host-network": _pod(tenant, platform, spec={"hostNetwork": True}),
        "host-pid": _pod(tenant, platform, spec={"hostPID": True}),
        "host-ipc": _pod(tenant, platform, spec={"hostIPC": True}),
        "host-port": _pod(tenant, platform, container={"ports": [{"containerPort": 8080, "hostPort": 8080}]}),
        "over-quota-pod": _pod(tenant, platform, container={"resources": much}),
        "node-port-service": _service(tenant, "NodePort"),
        "load-balancer-service": _service(tenant, "LoadBalancer"),
    }


def _pod(
    tenant: str,
    platform: Platform,
    *,
    spec: Mapping[str, Any] | None = None,
    container: Mapping[str, Any] | None = None,
) -> Manifest:
    """Return a pod like a Job's; without our labels, which none but the operator may give."""
    inner = jobs.container(NAME, platform, ["probe", "--help"], {"tmp": jobs.TMP})
    outer = pods.pod_basics(names.JOBS, platform) | {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": 60,
        "containers": [deepcopy(inner) | dict(container or {})],
        "volumes": [pods.scratch_volume("tmp", "64Mi")],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": NAME, "namespace": names.namespace(tenant)},
        "spec": outer | dict(spec or {}),
    }


def _service(tenant: str, kind: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": names.namespace(tenant)},
        "spec": {"type": kind, "selector": objects.selector(tenant, "nobody"), "ports": [{"port": 80}]},
    }
