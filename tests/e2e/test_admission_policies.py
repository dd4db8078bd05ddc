"""With the admission policies of the chart in force, stolen and given rights end at the walls."""

import json
from collections.abc import Iterator

import pytest

from e2e.house import Home, is_ready, until
from insula.domain import names
from insula.domain.errors import InsulaError
from insula.domain.manifests import Manifest
from insula.render.network import SOLVER_LABELS
from insula.render.quota import SOLVER_RESOURCES
from insula.sandbox.cluster import RELEASE_NAMESPACE, Cluster

MALLORY = "--as=mallory@example.com"
CERT_MANAGER = "--as=system:serviceaccount:cert-manager:cert-manager"
OPERATOR = f"--as=system:serviceaccount:{RELEASE_NAMESPACE}:insula-operator"
PRIVILEGED = ("pod-security.kubernetes.io/enforce=privileged", "--overwrite")
DRY = "--dry-run=server"


def a_policy(namespace: str) -> str:
    policy: Manifest = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "open", "namespace": namespace},
        "spec": {"podSelector": {}, "egress": [{}], "policyTypes": ["Egress"]},
    }
    return json.dumps(policy)


@pytest.fixture(scope="module")
def ruled_by_mallory(alice: Home) -> Iterator[Home]:
    """Alice's namespace, in which somebody has the cluster's role `admin`."""
    where = ("-n", alice.namespace)
    alice.cluster.kubectl("delete", "rolebinding", "test-mallory", *where, "--ignore-not-found")
    alice.cluster.kubectl(
        "create", "rolebinding", "test-mallory", "--clusterrole=admin", "--user=mallory@example.com", *where
    )
    yield alice
    alice.cluster.kubectl("delete", "rolebinding", "test-mallory", *where)


def test_an_admin_of_a_homes_namespace_cannot_allow_privileged_pods(ruled_by_mallory: Home) -> None:
    with pytest.raises(InsulaError, match="forbidden"):
        ruled_by_mallory.cluster.kubectl("label", "namespace", ruled_by_mallory.namespace, *PRIVILEGED, MALLORY)


def test_an_admin_of_a_homes_namespace_cannot_open_the_network(ruled_by_mallory: Home) -> None:
    argv = ("create", "-f", "-", DRY, MALLORY)
    with pytest.raises(InsulaError, match="insula-homes"):
        ruled_by_mallory.cluster.kubectl(*argv, stdin=a_policy(ruled_by_mallory.namespace))


def test_an_admin_of_a_homes_namespace_cannot_pose_as_home_assistant(ruled_by_mallory: Home) -> None:
    argv = ("create", "job", "poser", "--image=x:1", "-n", ruled_by_mallory.namespace, "-o", "json")
    job = json.loads(ruled_by_mallory.cluster.kubectl(*argv, "--dry-run=client"))
    ruled_by_mallory.cluster.kubectl("create", "-f", "-", DRY, MALLORY, stdin=json.dumps(job))
    job["spec"]["template"]["metadata"]["labels"] = {names.LABEL_NETWORK: names.HOME_ASSISTANT}
    with pytest.raises(InsulaError, match="insula-homes"):
        ruled_by_mallory.cluster.kubectl("create", "-f", "-", DRY, MALLORY, stdin=json.dumps(job))


def test_an_admin_of_a_homes_namespace_may_keep_notes(ruled_by_mallory: Home) -> None:
    argv = ("create", "configmap", "notes", "-n", ruled_by_mallory.namespace, DRY, MALLORY)
    ruled_by_mallory.cluster.kubectl(*argv)


@pytest.mark.parametrize("namespace", ["kube-system", "default", RELEASE_NAMESPACE])
def test_the_operators_token_writes_nothing_outside_of_homes(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(InsulaError, match="insula-operator"):
        cluster.kubectl("create", "configmap", "x", "-n", namespace, DRY, OPERATOR)
    with pytest.raises(InsulaError, match="insula-operator"):
        cluster.kubectl("label", "namespace", namespace, *PRIVILEGED, DRY, OPERATOR)


def test_the_operators_token_still_writes_in_homes(cluster: Cluster, alice: Home) -> None:
    cluster.kubectl("create", "configmap", "x", "-n", alice.namespace, DRY, OPERATOR)


def test_a_certificate_is_renewed(alice: Home) -> None:
    before = alice.get("secret", names.HOME_ASSISTANT_TLS)["metadata"]["uid"]
    alice.cluster.kubectl("delete", "secret", names.HOME_ASSISTANT_TLS, "-n", alice.namespace)

    def renewed() -> bool:
        secret = alice.get("secret", names.HOME_ASSISTANT_TLS)
        certificate = alice.get("certificate", names.HOME_ASSISTANT)
        return secret["metadata"]["uid"] != before and bool(secret["data"]["tls.crt"]) and is_ready(certificate)

    assert until("another certificate", renewed)


def test_a_certificates_solver_is_let_in(alice: Home) -> None:
    where = ("-n", alice.namespace, DRY, CERT_MANAGER)
    rule = f"{alice.host}/.well-known/acme-challenge/x=solver:8089"
    alice.cluster.kubectl("create", "ingress", "solver", f"--rule={rule}", *where)
    alice.cluster.kubectl("create", "service", "clusterip", "solver", "--tcp=8089", *where)
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    spec = {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "solver",
                "image": "x:1",
                "securityContext": security,
                "resources": SOLVER_RESOURCES.to_manifest(),
            }
        ],
    }
    metadata = {"name": "solver", "namespace": alice.namespace, "labels": SOLVER_LABELS}
    pod: Manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    alice.cluster.kubectl("create", "-f", "-", DRY, CERT_MANAGER, stdin=json.dumps(pod))
