"""The plan of a node's root: the machine read-only, the node's own directories, no more."""

import tomllib
from pathlib import Path

import pytest

from insula.domain.errors import NotFoundError
from insula.sandbox import node_root
from insula.sandbox.layout import VOLUMES_INSIDE, Layout

LAYOUT = Layout.default({})


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.default({"INSULA_SANDBOX_STATE": str(tmp_path / "state")})


@pytest.fixture
def binaries(tmp_path: Path) -> Path:
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in ("containerd", "containerd-shim-runc-v2", "ctr", "kubernetes"):
        (directory / name).touch()
    for name in ("kubeadm", "kubectl", "kubelet"):
        (directory / name).symlink_to("kubernetes")
    return directory


def plan(layout: Layout) -> list[list[str]]:
    lines = (layout.node("n1").etc / "plan").read_text().splitlines()
    return [line.split("\t") for line in lines]


def test_programs_of_one_file_are_mounted_once_and_linked_by_every_name(layout: Layout, binaries: Path) -> None:
    node_root.prepare(layout, "n1", binaries)
    steps = plan(layout)
    assert [step[1] for step in steps if step[2] == str(binaries / "kubernetes")] == ["/opt/insula/programs/kubernetes"]
    links = {step[1] for step in steps if step[2] == "../programs/kubernetes"}
    assert links == {f"/opt/insula/bin/{name}" for name in ("kubeadm", "kubectl", "kubelet")}


def test_missing_program_is_named(layout: Layout, binaries: Path) -> None:
    (binaries / "ctr").unlink()
    with pytest.raises(NotFoundError, match="ctr is missing"):
        node_root.prepare(layout, "n1", binaries)


def test_nothing_of_the_machine_is_writable_but_devices_and_control_groups(layout: Layout, binaries: Path) -> None:
    node_root.prepare(layout, "n1", binaries)
    writable = [step[2] for step in plan(layout) if step[0] in {"bind", "tree"}]
    foreign = [source for source in writable if not Path(source).is_relative_to(layout.state)]
    assert foreign == ["/sys/fs/cgroup", "/dev"]


def test_every_directory_of_the_node_is_mounted(layout: Layout, binaries: Path) -> None:
    node_root.prepare(layout, "n1", binaries)
    steps = plan(layout)
    for target, source in layout.node("n1").mounts.items():
        assert ["bind", target, str(source)] in steps


def test_every_node_sees_the_same_volumes(layout: Layout, binaries: Path) -> None:
    for node in ("n1", "n2"):
        node_root.prepare(layout, node, binaries)
        steps = [line.split("\t") for line in (layout.node(node).etc / "plan").read_text().splitlines()]
        assert ["bind", VOLUMES_INSIDE, str(layout.volumes)] in steps


def test_volumes_are_closed_to_other_people_of_the_machine(layout: Layout, binaries: Path) -> None:
    node_root.prepare(layout, "n1", binaries)
    assert layout.volumes.stat().st_mode & 0o777 == 0o700


def test_node_keeps_its_machine_id_when_it_starts_again(layout: Layout, binaries: Path) -> None:
    node_root.prepare(layout, "n1", binaries)
    first = (layout.node("n1").etc / "machine-id").read_text()
    node_root.prepare(layout, "n1", binaries)
    assert (layout.node("n1").etc / "machine-id").read_text() == first


def test_the_container_runtime_finds_the_registry_of_models_by_its_name_in_the_cluster(
    layout: Layout, binaries: Path
) -> None:
    node_root.prepare(layout, "n1", binaries)
    target = "/etc/containerd/certs.d/registry.insula-registry.svc.cluster.local:5000/hosts.toml"
    (source,) = [step[2] for step in plan(layout) if step[1] == target]
    address = f"http://{layout.node_address('n1')}:30500"
    assert tomllib.loads(Path(source).read_text())["server"] == address
    assert "/etc/containerd/certs.d" in (layout.node("n1").etc / "config.toml").read_text()
