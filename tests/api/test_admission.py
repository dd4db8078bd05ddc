"""What the admission policies of the chart refuse, to the operator's own token and to people with rights in a home."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any, Final

import pytest
import pytest_asyncio

from api.homes import OPERATOR, PLATFORM, RELEASE
from api.server import ApiServer, eventually
from builders import a_situation, a_tenant
from insula.domain import names
from insula.domain.manifests import Manifest, ObjectRef
from insula.kube import requests
from insula.kube.answers import ForbiddenError
from insula.kube.client import Client
from insula.kube.requests import Request
from insula.render.stack import stack

HOME: Final = names.namespace("walled")
EVERYBODY: Final = "system:authenticated"
MALLORY: Final = "mallory@example.com"
RBAC: Final = "rbac.authorization.k8s.io"
NETWORKING: Final = "networking.k8s.io/v1"
COORDINATION: Final = "coordination.k8s.io/v1"
CERT_MANAGER: Final = "system:serviceaccount:cert-manager:cert-manager"
REPLICA_SETS: Final = "system:serviceaccount:kube-system:replicaset-controller"


def an_object(kind: str, name: str, *, version: str = "v1", namespace: str = HOME, **fields: Any) -> Manifest:
    metadata = {"name": name, "namespace": namespace} | fields.pop("metadata", {})
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def creation(kind: str, name: str, **fields: Any) -> Request:
    return requests.create(an_object(kind, name, **fields))


def change(kind: str, name: str, patch: Mapping[str, Any], *, version: str = "v1", namespace: str = HOME) -> Request:
    return requests.merge_patch(ObjectRef(version, kind, namespace, name), patch)


def deletion(kind: str, name: str, *, version: str = "v1", namespace: str = HOME) -> Request:
    return requests.delete(ObjectRef(version, kind, namespace, name))


def a_pod(**labels: str) -> Manifest:
    """Return a pod that Pod Security would take."""
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    user = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"containers": [{"name": "x", "image": "x:1", "securityContext": security}], "securityContext": user}
    return {"metadata": {"labels": labels}, "spec": spec | {"restartPolicy": "Never"}}


def a_workload(kind: str, version: str, **labels: str) -> Request:
    pod = a_pod(app="x", **labels)
    spec: Manifest = {"template": pod}
    if kind == "CronJob":
        spec = {"schedule": "@daily", "jobTemplate": {"spec": spec}}
    elif kind == "Deployment":
        pod["spec"]["restartPolicy"] = "Always"
        spec["selector"] = {"matchLabels": {"app": "x"}}
    return creation(kind, "poser", version=version, spec=spec)


def a_service(**spec: Any) -> Request:
    return creation("Service", "way-in", spec={"ports": [{"port": 80}], **spec})


def a_binding(role: str, subject: str, *, namespace: str = HOME, of: str = "") -> Manifest:
    """Return the binding of a person, or of an account `of` a namespace."""
    who = {"kind": "ServiceAccount", "namespace": of} if of else {"kind": "User", "apiGroup": RBAC}
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": role}
    fields = {"roleRef": reference, "subjects": [who | {"name": subject}]}
    name = f"{subject.partition('@')[0]}-{role}"
    return an_object("RoleBinding", name, version=f"{RBAC}/v1", namespace=namespace, **fields)


def a_namespace(name: str, **labels: str) -> Request:
    return requests.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})


def labelled(**labels: str | None) -> Request:
    return change("Namespace", HOME, {"metadata": {"labels": labels}}, namespace="")


async def attempt(client: Client, request: Request) -> None:
    """Send a write that is judged and never done."""
    await client.send(replace(request, parameters={**request.parameters, "dryRun": "All"}))


@contextlib.asynccontextmanager
async def acting_as(server: ApiServer, user: str, group: str = EVERYBODY) -> AsyncIterator[Client]:
    async with Client(server.access_of(user, group)) as client:
        yield client


@pytest_asyncio.fixture(scope="module")
async def operator(release: None, server: ApiServer, admin: Client) -> AsyncIterator[Client]:
    """Somebody with the operator's token, once the policies are in force."""

    async def refused() -> bool:
        with contextlib.suppress(ForbiddenError):
            await attempt(client, creation("ConfigMap", "x", namespace="kube-system"))
            return False
        return True

    async with acting_as(server, OPERATOR) as client:
        await eventually(refused)
        yield client


@pytest_asyncio.fixture(scope="module")
async def home(operator: Client, server: ApiServer) -> str:
    """A whole home, made with the operator's own rights and against its policy, with a pod made by a controller."""
    rendered = stack(a_situation(a_tenant("walled"), route=True), PLATFORM)
    for manifest in (*rendered.ground, *rendered.house):
        await operator.apply(manifest)
    async with acting_as(server, REPLICA_SETS) as controller:
        await controller.apply(an_object("Pod", "home-assistant-1", **a_pod(**{names.LABEL_NETWORK: "home-assistant"})))
    return HOME


@pytest_asyncio.fixture(scope="module")
async def mallory(home: str, server: ApiServer, admin: Client) -> AsyncIterator[Client]:
    """Somebody who may do everything in the home's namespace, as far as roles go, the Namespace itself included."""
    await admin.apply(a_binding("cluster-admin", MALLORY))
    async with acting_as(server, MALLORY) as client:
        await eventually(lambda: client.find(ObjectRef("v1", "Namespace", "", HOME)))
        yield client


PRIVILEGED: Final = {"pod-security.kubernetes.io/enforce": "privileged"}
_BACKEND: Final = {"service": {"name": "home-assistant", "port": {"number": 8123}}}
_PATHS: Final = [{"path": "/", "pathType": "Prefix", "backend": _BACKEND}]
OTHER_HOST: Final = {"host": "ha.bob.homes.test", "http": {"paths": _PATHS}}
OPEN_ALL: Final[Manifest] = {"podSelector": {}, "egress": [{}], "ingress": [{}]}
SLICE: Final = {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.9"]}], "ports": [{"port": 11434}]}
_SECURITY: Final = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_CONTAINER: Final = {"name": "y", "image": "y:1", "securityContext": _SECURITY}
WEAKENINGS: Final[Mapping[str, Request]] = {
    "take the default deny away": deletion("NetworkPolicy", "default-deny", version=NETWORKING),
    "open a policy": change("NetworkPolicy", "ollama", {"spec": OPEN_ALL}, version=NETWORKING),
    "add a policy that opens": creation("NetworkPolicy", "open", version=NETWORKING, spec=OPEN_ALL),
    "raise a quota": change("ResourceQuota", "pods", {"spec": {"hard": {"pods": "99"}}}),
    "take a quota away": deletion("ResourceQuota", "objects"),
    "take the limits away": deletion("LimitRange", "defaults"),
    "claim another host": creation("Ingress", "other", version=NETWORKING, spec={"rules": [OTHER_HOST]}),
    "change the host": change("Ingress", "home-assistant", {"spec": {"rules": [OTHER_HOST]}}, version=NETWORKING),
    "get a certificate for another host": creation(
        "Certificate", "other", version="cert-manager.io/v1", spec={"dnsNames": ["ha.bob.homes.test"]}
    ),
    "lead the gateway elsewhere": creation("EndpointSlice", "elsewhere", version="discovery.k8s.io/v1", **SLICE),
    "open a port on the nodes": a_service(type="NodePort"),
    "take a load balancer": a_service(type="LoadBalancer"),
    "catch another address": a_service(externalIPs=["192.0.2.1"]),
    "alias a name": a_service(type="ExternalName", externalName="example.com"),
    "give somebody a role": requests.create(a_binding("admin", "eve")),
    "make a role": creation("Role", "all", version=f"{RBAC}/v1", rules=[]),
    "pose as Home Assistant with a pod": creation("Pod", "poser", **a_pod(**{names.LABEL_NETWORK: "home-assistant"})),
    "pose with a component's label": creation("Pod", "poser", **a_pod(**{names.LABEL_COMPONENT: "ollama"})),
    "pose as a certificate's solver": creation(
        "Pod", "poser", **a_pod(**{"acme.cert-manager.io/http01-solver": "true"})
    ),
    "enter Home Assistant's pod with another container": replace(
        change("Pod", "home-assistant-1", {"spec": {"ephemeralContainers": [_CONTAINER]}}),
        path=f"/api/v1/namespaces/{HOME}/pods/home-assistant-1/ephemeralcontainers",
    ),
    "take a label off a pod": change("Pod", "home-assistant-1", {"metadata": {"labels": {names.LABEL_NETWORK: None}}}),
    "pose with a Deployment": a_workload("Deployment", "apps/v1", **{names.LABEL_NETWORK: "home-assistant"}),
    "pose with a Job": a_workload("Job", "batch/v1", **{names.LABEL_NETWORK: "home-assistant"}),
    "pose with a CronJob": a_workload("CronJob", "batch/v1", **{names.LABEL_NETWORK: "ollama"}),
    "run something else as Home Assistant": change(
        "Deployment", "home-assistant", {"spec": {"template": {"metadata": {"labels": {"x": "y"}}}}}, version="apps/v1"
    ),
    "change what Home Assistant starts with": change("ConfigMap", "home-assistant-scripts", {"data": {"start.py": ""}}),
    "turn a Service to other pods": change("Service", "ollama-backend", {"spec": {"selector": {"app": "x"}}}),
    "take a token for the pods": change("ServiceAccount", "ollama", {"automountServiceAccountToken": True}),
    "delete a volume": deletion("PersistentVolumeClaim", "home-assistant-config"),
    "take the operator's binding away": deletion("RoleBinding", "insula-operator-secrets", version=f"{RBAC}/v1"),
    "allow privileged pods": labelled(**PRIVILEGED),
    "allow pods of an older standard": labelled(**{"pod-security.kubernetes.io/enforce-version": "v1.20"}),
    "take the Pod Security away": labelled(**dict.fromkeys(PRIVILEGED)),
    "take the identity away": labelled(**{names.LABEL_TENANT_ID: None}),
    "take another identity": labelled(**{names.LABEL_TENANT_ID: "0b9c1c8e-7c1e-4f3a-9a57-0d1f3a5b7c9d"}),
    "write the operator's memory": change(
        "Namespace", HOME, {"metadata": {"annotations": {names.ANNOTATION_CLAIMED: "x"}}}, namespace=""
    ),
}
HARMLESS: Final[Mapping[str, Request]] = {
    "keep notes": creation("ConfigMap", "notes", data={"a": "b"}),
    "keep a secret": creation("Secret", "own", stringData={"a": "b"}),
    "run a pod behind the walls": creation("Pod", "own", **a_pod(app="own")),
    "run a Job behind the walls": a_workload("Job", "batch/v1"),
    "give pods a name": a_service(selector={"app": "own"}),
    "label the Namespace": labelled(team="family"),
    "restart a home": deletion("Pod", "home-assistant-1"),
}
STRAYINGS: Final[Mapping[str, Request]] = {
    "write in kube-system": creation("ConfigMap", "x", namespace="kube-system"),
    "open kube-system": creation("NetworkPolicy", "x", version=NETWORKING, namespace="kube-system", spec=OPEN_ALL),
    "bind itself in kube-system": requests.create(
        a_binding("insula-tenant-secrets", "insula-operator", namespace="kube-system", of=RELEASE)
    ),
    "label kube-system": change("Namespace", "kube-system", {"metadata": {"labels": PRIVILEGED}}, namespace=""),
    "make kube-system a home": change(
        "Namespace", "kube-system", {"metadata": {"labels": {names.LABEL_TENANT_ID: "x"}}}, namespace=""
    ),
    "make its own namespace a home": change(
        "Namespace", RELEASE, {"metadata": {"labels": {names.LABEL_TENANT_ID: "x"}}}, namespace=""
    ),
    "delete a namespace that is no home": deletion("Namespace", "default", namespace=""),
    "make a namespace that is no home": a_namespace("insula-x"),
    "make a home without Pod Security": a_namespace("insula-x", **{names.LABEL_TENANT_ID: "x"}),
    "let a home's pods have privileges": labelled(**PRIVILEGED),
    "make a home anonymous": labelled(**{names.LABEL_TENANT_ID: None}),
    "open the gateway": creation("NetworkPolicy", "x", version=NETWORKING, namespace=RELEASE, spec=OPEN_ALL),
    "write other settings beside its own": creation("ConfigMap", "insula-platform", namespace=RELEASE),
    "let somebody else read a home's Secrets": requests.create(a_binding("insula-tenant-secrets", MALLORY)),
    "let somebody else write a home's Lease": requests.create(a_binding("insula-gateway-activity", MALLORY)),
    "give a home's Secrets to the gateway": requests.create(
        a_binding("insula-tenant-secrets", "insula-gateway", of=RELEASE)
    ),
    "bind another role": requests.create(a_binding("view", "insula-operator", of=RELEASE)),
}


@pytest.mark.parametrize("what", WEAKENINGS)
async def test_whoever_has_all_rights_in_a_home_cannot(mallory: Client, what: str) -> None:
    with pytest.raises(ForbiddenError, match=r"ValidatingAdmissionPolicy 'insula-(homes|namespaces)'"):
        await attempt(mallory, WEAKENINGS[what])


@pytest.mark.parametrize("what", HARMLESS)
async def test_whoever_has_rights_in_a_home_may(mallory: Client, what: str) -> None:
    await attempt(mallory, HARMLESS[what])


@pytest.mark.parametrize("what", STRAYINGS)
async def test_whoever_has_the_operators_token_cannot(home: str, operator: Client, what: str) -> None:
    with pytest.raises(ForbiddenError):
        await attempt(operator, STRAYINGS[what])


async def test_it_is_the_policy_that_keeps_the_operator_out_of_kube_system(home: str, operator: Client) -> None:
    with pytest.raises(ForbiddenError, match="ValidatingAdmissionPolicy 'insula-operator'"):
        await attempt(operator, STRAYINGS["write in kube-system"])


async def test_the_operator_writes_its_own_objects_beside_the_homes(home: str, operator: Client) -> None:
    await attempt(operator, creation("ConfigMap", "insula-verify-keys", namespace=RELEASE))
    await attempt(operator, creation("Secret", "insula-signing-keys", namespace=RELEASE))
    await attempt(operator, creation("Lease", "insula-operator", version="coordination.k8s.io/v1", namespace=RELEASE))


async def test_the_gateway_may_renew_a_homes_lease_and_mallory_may_not(
    home: str, server: ApiServer, admin: Client, operator: Client, mallory: Client
) -> None:
    metadata = {"labels": names.owned_labels("walled")}
    await admin.apply(an_object("Lease", names.ACTIVITY, version=COORDINATION, metadata=metadata))
    binding = a_binding("insula-gateway-activity", "insula-gateway", of=RELEASE)
    await attempt(operator, requests.create(binding))
    await admin.apply(binding)
    renewal = change("Lease", names.ACTIVITY, {"spec": {"holderIdentity": "awake"}}, version=COORDINATION)
    rename = change("Lease", names.ACTIVITY, {"metadata": {"labels": {names.LABEL_TENANT: "x"}}}, version=COORDINATION)
    async with acting_as(server, f"system:serviceaccount:{RELEASE}:insula-gateway") as gateway:
        await attempt(gateway, renewal)
        with pytest.raises(ForbiddenError, match="ValidatingAdmissionPolicy 'insula-homes'"):
            await attempt(gateway, rename)
    with pytest.raises(ForbiddenError, match="ValidatingAdmissionPolicy 'insula-homes'"):
        await attempt(mallory, renewal)


async def test_a_home_cannot_be_counterfeited(home: str, server: ApiServer, admin: Client) -> None:
    """The gateway believes the label; so whoever makes namespaces must not be able to write it."""
    role = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "test-namespaces"}}
    await admin.apply(role | {"rules": [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["*"]}]})
    binding = a_binding("test-namespaces", "trudy") | {"kind": "ClusterRoleBinding"}
    await admin.apply(binding | {"metadata": {"name": "test-namespaces"}})
    async with acting_as(server, "trudy") as trudy:
        await eventually(lambda: trudy.find(ObjectRef("v1", "Namespace", "", HOME)))
        await attempt(trudy, a_namespace("counterfeit"))
        with pytest.raises(ForbiddenError, match="insula-namespaces"):
            await attempt(trudy, a_namespace("counterfeit", **{names.LABEL_TENANT_ID: "x"}))


async def test_cert_manager_may_bring_its_solver(home: str, server: ApiServer, admin: Client) -> None:
    await admin.apply(a_binding("cluster-admin", "cert-manager", of="cert-manager"))
    async with acting_as(server, CERT_MANAGER) as cert_manager:
        await eventually(lambda: cert_manager.find(ObjectRef("v1", "ConfigMap", HOME, "home-assistant-scripts")))
        for what in ("pose as a certificate's solver", "claim another host", "get a certificate for another host"):
            await attempt(cert_manager, WEAKENINGS[what])


async def test_who_may_take_the_policies_away_is_not_held(home: str, admin: Client) -> None:
    for what in ("take the default deny away", "raise a quota", "allow pods of an older standard"):
        await attempt(admin, WEAKENINGS[what])


async def test_the_policies_hold_nobody_in_other_namespaces(mallory: Client, admin: Client) -> None:
    await admin.apply(a_binding("cluster-admin", MALLORY, namespace="default"))
    await eventually(lambda: mallory.find(ObjectRef("v1", "Namespace", "", "default")))
    await attempt(mallory, creation("NetworkPolicy", "x", version=NETWORKING, namespace="default", spec=OPEN_ALL))
