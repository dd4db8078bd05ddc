"""Who may do what, as `kubectl auth can-i` would say it: the roles of the chart, asked of a real API server."""

import json
from typing import Final

import pytest
import pytest_asyncio

from api.homes import OPERATOR, RELEASE
from insula.domain import names
from insula.domain.manifests import Manifest
from insula.kube.client import Client
from insula.kube.requests import Request

OWNER: Final = "alice@example.com"
REVIEWS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
# Who is asked about; a home's three accounts must all be told the same.
WHO: Final = {
    "operator": (OPERATOR,),
    "gateway": (f"system:serviceaccount:{RELEASE}:insula-gateway",),
    "pods": tuple(f"system:serviceaccount:HOME:{name}" for name in (names.HOME_ASSISTANT, names.OLLAMA, names.JOBS)),
    "owner": (OWNER,),
    "anyone": ("system:anonymous",),
}
GROUPS: Final = {"rbac": "rbac.authorization.k8s.io", "admission": "admissionregistration.k8s.io"}
# A line is a verb, a resource[.group][/name] and a place: home, release, elsewhere (kube-system), or the whole cluster.
MATRIX: Final = """
                                                                 operator gateway  pods     owner    anyone
get         tenants.insula.dev                         cluster   yes      yes      no       no       no
create      tenants.insula.dev                         cluster   no       no       no       no       no
patch       tenants.insula.dev                         cluster   no       no       no       no       no
delete      tenants.insula.dev                         cluster   no       no       no       no       no
patch       plans.insula.dev                           cluster   no       no       no       no       no
create      namespaces                                 cluster   yes      no       no       no       no
list        namespaces                                 cluster   yes      yes      no       no       no
list        nodes                                      cluster   no       no       no       no       no
list        secrets                                    cluster   no       no       no       no       no
create      clusterroles.rbac                          cluster   no       no       no       no       no
create      clusterrolebindings.rbac                   cluster   no       no       no       no       no
bind        clusterroles.rbac/admin                    cluster   no       no       no       no       no
escalate    clusterroles.rbac                          cluster   no       no       no       no       no
impersonate users                                      cluster   no       no       no       no       no
delete      validatingadmissionpolicies.admission      cluster   no       no       no       no       no
bind        clusterroles.rbac/insula-tenant-secrets    cluster   yes      no       no       no       no
bind        clusterroles.rbac/insula-gateway-activity  cluster   yes      no       no       no       no
watch       leases.coordination.k8s.io/activity        cluster   yes      yes      no       no       no
watch       leases.coordination.k8s.io                 cluster   yes      no       no       no       no
patch       leases.coordination.k8s.io/activity        cluster   no       no       no       no       no

get         secrets/gateway-key                        home      yes      no       no       no       no
get         secrets/platform-account                   home      yes      no       no       no       no
get         secrets/home-assistant-tls                 home      no       no       no       no       no
list        secrets                                    home      no       no       no       no       no
delete      secrets/resident-account                   home      no       no       no       no       no
create      deployments.apps                           home      yes      no       no       no       no
create      pods                                       home      no       no       no       no       no
get         pods/log                                   home      yes      no       no       yes      no
create      pods/exec                                  home      no       no       no       no       no
create      pods/attach                                home      no       no       no       no       no
create      pods/portforward                           home      no       no       no       no       no
patch       pods/ephemeralcontainers                   home      no       no       no       no       no
create      serviceaccounts/token                      home      no       no       no       no       no
get         pods                                       home      yes      no       no       yes      no
get         configmaps                                 home      yes      no       no       no       no
get         networkpolicies.networking.k8s.io          home      yes      no       no       yes      no
patch       networkpolicies.networking.k8s.io          home      yes      no       no       no       no
patch       resourcequotas                             home      yes      no       no       no       no
create      ingresses.networking.k8s.io                home      yes      no       no       no       no
create      services                                   home      yes      no       no       no       no
create      rolebindings.rbac                          home      yes      no       no       no       no
list        endpointslices.discovery.k8s.io            home      no       yes      no       no       no
patch       namespaces                                 home      yes      no       no       no       no
patch       leases.coordination.k8s.io/activity        home      yes      yes      no       no       no
patch       leases.coordination.k8s.io/another         home      no       no       no       no       no
create      leases.coordination.k8s.io/activity        home      yes      no       no       no       no
create      leases.coordination.k8s.io/another         home      no       no       no       no       no

get         secrets/insula-signing-keys                release   yes      no       no       no       no
list        secrets                                    release   no       no       no       no       no
delete      secrets/insula-signing-keys                release   no       no       no       no       no
patch       leases.coordination.k8s.io/insula-operator release   yes      no       no       no       no
create      pods                                       release   no       no       no       no       no
get         pods                                       release   yes      no       no       no       no

get         secrets                                    elsewhere no       no       no       no       no
create      secrets                                    elsewhere no       no       no       no       no
create      pods                                       elsewhere no       no       no       no       no
create      pods/exec                                  elsewhere no       no       no       no       no
get         pods                                       elsewhere yes      no       no       no       no
patch       daemonsets.apps                            elsewhere no       no       no       no       no
"""


def rows() -> list[tuple[str, str, str, dict[str, bool]]]:
    """Return verb, resource, place, and who may."""
    header, *lines = [line.split() for line in MATRIX.splitlines() if line.strip()]
    return [
        (verb, resource, place, dict(zip(header, (answer == "yes" for answer in answers), strict=True)))
        for verb, resource, place, *answers in lines
    ]


@pytest_asyncio.fixture(scope="module")
async def home(release: None, admin: Client) -> str:
    """A namespace in which the operator has bound itself, and a provider has let an owner look."""
    tenant = "rights"
    namespace = names.namespace(tenant)
    binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding"}
    operator = {"kind": "ServiceAccount", "name": "insula-operator", "namespace": RELEASE}
    gateway = {"kind": "ServiceAccount", "name": "insula-gateway", "namespace": RELEASE}
    owner = {"kind": "User", "name": OWNER, "apiGroup": "rbac.authorization.k8s.io"}
    await admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    for role, subject in (
        ("insula-tenant-secrets", operator),
        ("insula-gateway-activity", gateway),
        ("insula-tenant-viewer", owner),
    ):
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        metadata = {"name": role, "namespace": namespace}
        await admin.apply(binding | {"metadata": metadata, "roleRef": reference, "subjects": [subject]})
    return namespace


@pytest.mark.parametrize(("verb", "resource", "place", "may"), rows(), ids=lambda value: str(value)[:60])
async def test_rights_are_as_the_matrix_says(
    admin: Client, home: str, *, verb: str, resource: str, place: str, may: dict[str, bool]
) -> None:
    namespace = {"home": home, "release": RELEASE, "elsewhere": "kube-system", "cluster": ""}[place]
    for who, users in WHO.items():
        answers = [await ask(admin, user.replace("HOME", home), verb, resource, namespace) for user in users]
        assert answers == [may[who]] * len(users), who


async def ask(client: Client, user: str, verb: str, resource: str, namespace: str) -> bool:
    """Ask the API server whether somebody may do something."""
    what, _, name = resource.partition("/")
    kind, _, group = what.partition(".")
    # A slash leads to a subresource where Kubernetes knows one of that name, and else to an object.
    part = "subresource" if name in SUBRESOURCES else "name"
    groups = ["system:unauthenticated"] if user == "system:anonymous" else ["system:authenticated"]
    if user.startswith("system:serviceaccount:"):
        groups += ["system:serviceaccounts", f"system:serviceaccounts:{user.split(':')[2]}"]
    attributes = {"verb": verb, "group": GROUPS.get(group, group), "resource": kind, "namespace": namespace, part: name}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": groups, "resourceAttributes": attributes},
    }
    return bool((await client.json(post(REVIEWS, review)))["status"]["allowed"])


SUBRESOURCES: Final = {"log", "exec", "attach", "portforward", "ephemeralcontainers", "token"}


def post(path: str, body: Manifest) -> Request:
    """Return the request that posts an object of a kind that Insula itself never makes."""
    return Request("create", "", "POST", path, {}, "application/json", json.dumps(body).encode())
