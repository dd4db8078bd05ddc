"""What a build takes from the machine that it runs on."""

from pathlib import Path

import pytest

from insula.domain.errors import UnavailableError
from insula.sandbox import containerfiles

IMAGES = Path(__file__).parents[3] / "images"


def test_debians_mirror_is_read_from_apts_newer_files(tmp_path: Path) -> None:
    folder = tmp_path / "sources.list.d"
    folder.mkdir()
    (folder / "a.sources").write_text("Types: deb\nURIs: https://packages.example.com/tools\nSuites: x\n")
    (folder / "debian.sources").write_text("Types: deb\nURIs: http://mirror.example.com/debian\nSuites: bookworm\n")
    assert containerfiles.read_mirror(tmp_path) == "http://mirror.example.com/debian"


def test_debians_mirror_is_read_from_apts_older_file(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb [trusted=yes] http://mirror.example.com/debian/ bookworm main\n")
    assert containerfiles.read_mirror(tmp_path) == "http://mirror.example.com/debian/"


def test_a_machine_without_debians_mirror_is_told_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="no Debian mirror"):
        containerfiles.read_mirror(tmp_path)


def test_the_base_has_python_and_certificates() -> None:
    packages = containerfiles.read_packages(IMAGES / "base" / "packages.txt")
    assert {"python3", "ca-certificates", "tzdata"} <= set(packages)
    assert packages == sorted(packages)
