"""Control groups: both versions are recognised, and a node's subtree gets what kubelets need."""

from pathlib import Path

import pytest

from insula.sandbox import cgroups, journal
from insula.sandbox.cgroups import Version


@pytest.fixture
def v1(tmp_path: Path) -> Path:
    root = tmp_path / "v1"
    for name in ("cpu,cpuacct", "cpuset", "memory", "unified"):
        (root / name).mkdir(parents=True)
        (root / name / "cgroup.procs").touch()
    (root / "cpu").symlink_to("cpu,cpuacct")
    (root / "cpuset" / "cpuset.cpus").write_text("0-1\n")
    (root / "cpuset" / "cpuset.mems").write_text("0\n")
    return root


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    root = tmp_path / "v2"
    for directory in (root, root / "insula-n1"):
        directory.mkdir()
        (directory / "cgroup.controllers").write_text("cpu cpuset io memory pids rdma\n")
        (directory / "cgroup.subtree_control").write_text("cpu cpuset io pids\n")
    return root


def test_version_2_is_one_hierarchy(v2: Path) -> None:
    groups = cgroups.detect(v2)
    assert (groups.version, groups.hierarchies) == (Version.V2, (v2,))
    assert "memory" in groups.controllers


def test_version_1_is_a_hierarchy_for_each_controller(v1: Path) -> None:
    groups = cgroups.detect(v1)
    assert groups.version is Version.V1
    assert [path.name for path in groups.hierarchies] == ["cpu,cpuacct", "cpuset", "memory", "unified"]
    assert {"cpu", "cpuacct", "cpuset", "memory"} <= groups.controllers


def test_nothing_mounted_is_told(tmp_path: Path) -> None:
    assert cgroups.detect(tmp_path / "none").version is Version.NONE


def test_version_1_nodes_get_the_machines_processors_and_memory(v1: Path, tmp_path: Path) -> None:
    cgroups.create("insula-n1", tmp_path / "journal.json", root=v1)
    assert (v1 / "cpuset/insula-n1/runtime/cpuset.cpus").read_text() == "0-1\n"
    assert (v1 / "cpuset/insula-n1/runtime/cpuset.mems").read_text() == "0\n"
    assert (v1 / "memory/insula-n1/runtime").is_dir()


def test_version_2_controllers_are_switched_on_and_noted_for_tear_down(v2: Path, tmp_path: Path) -> None:
    cgroups.create("insula-n1", tmp_path / "journal.json", root=v2)
    assert (v2 / "cgroup.subtree_control").read_text() == "+memory"
    assert (v2 / "insula-n1/cgroup.subtree_control").read_text() == "+memory"
    assert (v2 / "insula-n1/runtime").is_dir()
    assert journal.read(tmp_path / "journal.json").controllers == ("memory",)
