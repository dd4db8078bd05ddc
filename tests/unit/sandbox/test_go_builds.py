"""Go programs: which Go builds them, and with which settings."""

import re
from pathlib import Path

import pytest

from insula.sandbox.builds.go import GO_WHEEL, MODULES, GoBuild, go_environment, is_new_enough
from insula.sandbox.builds.workshop import Workshop


@pytest.mark.parametrize("version", ["go1.26", "go1.26.6\n", "go1.30.1", "go2.0"])
def test_go_is_new_enough(version: str) -> None:
    assert is_new_enough(version)


@pytest.mark.parametrize("version", ["go1.25.9", "go1.9", "go1.26rc1", "devel go1.27-abc", ""])
def test_go_is_too_old_or_unknown(version: str) -> None:
    assert not is_new_enough(version)


def test_modules_come_into_caches_of_our_own_and_their_sums_are_checked(tmp_path: Path) -> None:
    environment = go_environment(Workshop(tmp_path, "go/thing", {}), {})

    assert environment["GOMODCACHE"].startswith(str(tmp_path))
    assert environment["GOCACHE"].startswith(str(tmp_path))
    assert environment["GOTOOLCHAIN"] == "local"
    assert "-mod=readonly" in environment["GOFLAGS"]
    assert environment.keys().isdisjoint({"GONOSUMDB", "GONOSUMCHECK", "GOSUMDB", "GOPROXY", "GOROOT", "PATH"})


def test_go_from_a_package_is_found_before_the_machine_s_own(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path, "go/thing", {"PATH": "/usr/bin"})

    environment = go_environment(workshop, {GO_WHEEL.recipe_name: Path("/results/go")})

    assert environment["GOROOT"] == "/results/go/go"
    assert environment["PATH"] == "/results/go/go/bin:/usr/bin"


@pytest.mark.parametrize(
    "other",
    [
        GoBuild("etcd", 1, packages=("./x",)),
        GoBuild("etcd", 1, tags="t"),
        GoBuild("etcd", 1, variables=(("a", "b"),)),
        GoBuild("etcd", 1, links=("l",)),
        GoBuild("etcd", 1, cgo="-O3"),
        GoBuild("coredns", 1),
    ],
)
def test_each_setting_of_a_build_makes_other_programs(other: GoBuild) -> None:
    assert other.recipe().key != GoBuild("etcd", 1).recipe().key


def test_each_module_folder_pins_the_sums_of_what_it_needs() -> None:
    folders = sorted(path for path in MODULES.iterdir() if path.is_dir())

    assert folders
    assert [path.name for path in folders if not (path / "go.mod").is_file() or not (path / "go.sum").is_file()] == []


def versions(module: str) -> dict[str, str]:
    """Return the version of each module that a module folder builds from."""
    text = re.sub(r"exclude \(.*?\)", "", (MODULES / module / "go.mod").read_text(), flags=re.DOTALL)
    required = re.findall(r"^\t(\S+) (v\S+)(?: // indirect)?$", text, re.MULTILINE)
    replaced = re.findall(r"^\t(\S+) => \S+ (v\S+)$", text, re.MULTILINE)
    return dict(required) | dict(replaced)


def test_storage_is_made_of_the_versions_that_kubernetes_compiles_anyway() -> None:
    storage, kubernetes = versions("storage"), versions("kubernetes")
    shared = storage.keys() & kubernetes.keys()

    assert len(shared) > 50
    assert {name: storage[name] for name in shared} == {name: kubernetes[name] for name in shared}
