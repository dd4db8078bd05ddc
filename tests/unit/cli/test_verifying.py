"""`insula verify` on a cluster in memory, whose network does what a test says."""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from cli_fakes import FakeCluster, an_object

from builders import a_platform
from insula.cli import verify as door
from insula.domain import names
from insula.domain.errors import NotFoundError, RefusedError, UnavailableError, WallOpenError
from insula.domain.manifests import Manifest
from insula.domain.probes import Verdict
from insula.services import surroundings, verifying
from insula.services.verifying import Report

HOMES = {"alice": "id-of-alice", "bob": "id-of-bob"}
READY = [{"type": "Ready", "status": "True"}]


def a_pod(tenant: str, component: str, address: str) -> Manifest:
    labels = names.owned_labels(tenant) | {names.LABEL_COMPONENT: component}
    status = {"phase": "Running", "podIP": address, "conditions": READY}
    space = names.namespace(tenant)
    return an_object("v1", "Pod", component, space, metadata={"labels": labels}, status=status, spec={})


def a_namespace(tenant: str, **annotations: str) -> Manifest:
    labels = names.owned_labels(tenant) | {
        names.LABEL_TENANT_ID: HOMES.get(tenant, "id"),
        "pod-security.kubernetes.io/enforce": "restricted",
    }
    return an_object(
        "v1", "Namespace", names.namespace(tenant), metadata={"labels": labels, "annotations": annotations}
    )


class WalledCluster(FakeCluster):
    """A cluster with two homes: `open_` are targets that are reached, `takes` kinds of samples that are let in."""

    def __init__(self, *, open_: Sequence[str] = (), takes: str = "", message: str | None = None) -> None:
        super().__init__(
            a_namespace("alice"),
            a_namespace("bob"),
            a_pod("alice", names.HOME_ASSISTANT, "10.1.0.1"),
            a_pod("alice", names.OLLAMA, "10.1.0.2"),
            a_pod("bob", names.HOME_ASSISTANT, "10.1.0.3"),
            a_pod("bob", names.OLLAMA, "10.1.0.4"),
            an_object("v1", "Node", "n1", status={"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}),
            an_object("v1", "Service", "door", "default", spec={"ports": [{"port": 80, "nodePort": 30080}]}),
        )
        self.open_ = set(open_) | {"name:kubernetes.default.svc.cluster.local", "http:ollama:11434/api/version"}
        self.takes = takes
        self.message = message
        self.made: list[str] = []
        self.rights: list[Mapping[str, str]] = []

    async def create(self, manifest: Manifest) -> Manifest:
        self.made.append(manifest["metadata"]["name"])
        spec = manifest["spec"]["template"]["spec"]
        seen = [self._seen(words) for words in _probes(spec["containers"][0]["command"])]
        text = self.message if self.message is not None else json.dumps({"tried": len(seen), "seen": seen})
        ended = {"name": "probe", "state": {"terminated": {"exitCode": 0, "message": text}}}
        labels = {"batch.kubernetes.io/job-name": manifest["metadata"]["name"]}
        pod = an_object(
            "v1",
            "Pod",
            f"{manifest['metadata']['name']}-x",
            manifest["metadata"]["namespace"],
            metadata={"labels": labels},
            status={"phase": "Succeeded", "containerStatuses": [ended]},
        )
        await super().create(pod)
        return await super().create(manifest)

    def _seen(self, words: tuple[str, str]) -> str:
        option, text = words
        target = text.partition("=")[2]
        if target.startswith("http:"):
            return "401"
        if target in self.open_ and (option == "--allowed" or not target.startswith("name:")):
            return "connected"
        return "unknown name" if target.startswith("name:") else "timeout"

    async def rehearse(self, manifest: Manifest) -> None:
        is_plain = "containers" in manifest["spec"] and not _is_strange(manifest["spec"])
        if not is_plain and manifest["spec"].get("type", manifest["kind"]) != self.takes:
            raise RefusedError(f"create: {manifest['kind']} is forbidden: violates PodSecurity (403)")

    async def may(self, user: str, groups: Sequence[str], attributes: Mapping[str, str]) -> bool:
        self.rights.append(attributes)
        return False


def _probes(command: Sequence[str]) -> list[tuple[str, str]]:
    pairs = itertools.pairwise(command)
    return [pair for pair in pairs if pair[0] in ("--allowed", "--refused")]


def _is_strange(spec: Manifest) -> bool:
    container = spec["containers"][0]
    plain = container["securityContext"].get("readOnlyRootFilesystem") and "ports" not in container
    usual = container["resources"]["limits"]["memory"] != "1Ti" and len(spec["volumes"]) == 1
    return not (plain and usual and not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)) or (
        spec["securityContext"].get("runAsUser") == 0
    )


async def verify(cluster: WalledCluster, **options: Any) -> Report:
    return await verifying.verify(cluster, "alice", HOMES, a_platform(), poll_s=0, **options)


async def test_walls_that_hold_are_green_and_nothing_stays_behind() -> None:
    cluster = WalledCluster()
    report = await verify(cluster)
    assert {each.verdict for each in report.results} == {Verdict.GREEN}
    assert [name.rpartition("-")[0] for name in cluster.made] == ["probe-home-assistant", "probe-ollama"]
    assert [ref for ref in cluster.objects if ref.kind == "Job"] == []


async def test_an_open_path_is_red_and_named() -> None:
    report = await verify(WalledCluster(open_=["tcp:10.1.0.3:8123"]))
    assert report.paths(Verdict.RED) == [
        "home-assistant → neighbour-home-assistant-pod (tcp:10.1.0.3:8123)",
        "ollama → neighbour-home-assistant-pod (tcp:10.1.0.3:8123)",
    ]
    with pytest.raises(WallOpenError, match=r"2 of .* probes are red: alice: home-assistant → neighbour-home"):
        door._judge([report])


async def test_a_sample_that_the_api_server_takes_is_red() -> None:
    report = await verify(WalledCluster(takes="NodePort"))
    assert report.paths(Verdict.RED) == ["api-server → node-port-service (create Service in insula-alice)"]


async def test_a_pod_that_said_nothing_proved_nothing() -> None:
    report = await verify(WalledCluster(message="killed"))
    assert {each.verdict for each in report.results if each.probe.position != "api-server"} == {Verdict.UNKNOWN}
    with pytest.raises(UnavailableError, match="could not be tried"):
        door._judge([report])


async def test_a_pod_that_never_ends_is_given_up_with_its_reason_and_removed() -> None:
    class Slow(WalledCluster):
        async def create(self, manifest: Manifest) -> Manifest:
            return await FakeCluster.create(self, manifest)

    cluster = Slow()
    report = await verify(cluster, patience_s=0.05)
    assert {each.detail for each in report.results if each.verdict is Verdict.UNKNOWN} == {
        "the probe pod did not end within 0 s: it was not made"
    }
    assert [ref for ref in cluster.objects if ref.kind == "Job"] == []


async def test_a_right_that_the_person_lacks_is_no_proof() -> None:
    class Strict(WalledCluster):
        async def rehearse(self, manifest: Manifest) -> None:
            raise RefusedError('create: pods is forbidden: User "x" cannot create resource "pods" (403)')

    report = await verify(Strict())
    assert "api-server → privileged-pod (create Pod in insula-alice)" in report.paths(Verdict.UNKNOWN)


async def test_the_operator_does_not_take_a_persons_job_for_its_own() -> None:
    class Watched(WalledCluster):
        labels: dict[str, str] | None = None

        async def create(self, manifest: Manifest) -> Manifest:
            self.labels = manifest["metadata"]["labels"]
            return await super().create(manifest)

    cluster = Watched()
    await verify(cluster)
    assert cluster.labels is not None
    assert cluster.labels[names.LABEL_MANAGED_BY] != names.MANAGED_BY


async def test_a_home_that_does_not_exist_is_not_tried() -> None:
    with pytest.raises(NotFoundError, match="carol"):
        await verifying.verify(WalledCluster(), "carol", HOMES, a_platform())


async def test_homes_without_a_tenant_are_no_homes() -> None:
    cluster = WalledCluster()
    await FakeCluster.create(cluster, a_namespace("gone", **{names.ANNOTATION_RETAINED_SINCE: "2026-11-25T12:00:00Z"}))
    assert await verifying.homes(cluster) == HOMES


async def test_a_cluster_without_insula_says_so() -> None:
    with pytest.raises(NotFoundError, match="settings"):
        await verifying.read_platform(WalledCluster())


def test_every_home_is_tried_by_another_one() -> None:
    homes = [f"home-{number}" for number in range(9)]
    tried = {other for each in homes for other in surroundings.neighbours(each, homes)}
    assert tried == set(homes)
    assert all(each not in surroundings.neighbours(each, homes) for each in homes)
    assert surroundings.neighbours("alone", ["alone"]) == []


async def test_what_a_person_may_not_see_is_left_out() -> None:
    class Blind(WalledCluster):
        async def list(
            self, api_version: str, kind: str, *, namespace: str = "", labels: Mapping[str, str] | None = None
        ) -> list[Manifest]:
            if kind == "Node":
                raise RefusedError("list: forbidden (403)")
            return await super().list(api_version, kind, namespace=namespace, labels=labels)

    around = await surroundings.look(Blind(), "alice", HOMES, a_platform())
    assert (around.nodes, around.node_ports) == ((), ())
    assert around.neighbours[0].home_assistant == "10.1.0.3"


async def test_a_report_reads_as_json_with_its_worst_verdict() -> None:
    report = await verify(WalledCluster(open_=["tcp:169.254.169.254:80"]))
    value = door._json(report)
    assert value["verdict"] == "red"
    red = [each for each in value["probes"] if each["verdict"] == "red"]
    assert {(each["name"], each["seen"], each["expected"]) for each in red} == {("metadata", "connected", "refused")}
