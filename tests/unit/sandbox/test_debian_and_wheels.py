"""Root file systems lose what no image needs, and packages are pinned by their sum."""

import io
import tarfile
from pathlib import Path

import pytest

from insula.sandbox.builds.debian import ALWAYS_LEFT_OUT, Rootfs, trim
from insula.sandbox.builds.wheels import Wheel
from insula.sandbox.builds.workshop import Workshop

LEFT_OUT = (*ALWAYS_LEFT_OUT, r"usr/bin/perl$")
LONG = "usr/lib/" + "long/" * 30 + "name"


def add(
    tar: tarfile.TarFile,
    name: str,
    content: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    link: str = "",
    mode: int = 0,
) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content)
    info.mode = mode or (0o755 if kind == tarfile.DIRTYPE else 0o644)
    info.uid, info.gid, info.uname, info.gname, info.mtime = 7, 8, "mail", "news", 1_700_000_000
    info.pax_headers = {"comment": "made just now"}
    tar.addfile(info, io.BytesIO(content))


@pytest.fixture
def trimmed(tmp_path: Path) -> Path:
    """The layer of a root file system as the bootstrapper writes it."""
    with tarfile.open(tmp_path / "whole.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        add(tar, "./", kind=tarfile.DIRTYPE)
        for name in ("./tmp", "./dev", "./usr", "./usr/share", "./usr/share/doc", "./var", "./var/cache"):
            add(tar, name, kind=tarfile.DIRTYPE, mode=0o1777 if name == "./tmp" else 0)
        add(tar, "./usr/share/doc/copyright", b"for people")
        add(tar, "./var/cache/old", b"old")
        add(tar, "./tmp/left", b"left")
        add(tar, "./dev/null", kind=tarfile.CHRTYPE)
        add(tar, "./usr/bin/perl", b"perl itself")
        add(tar, "./usr/bin/perl5", kind=tarfile.LNKTYPE, link="./usr/bin/perl")
        add(tar, "./usr/bin/mount", b"mount itself", mode=0o4755)
        add(tar, "./usr/bin/again", kind=tarfile.LNKTYPE, link="./usr/bin/mount")
        add(tar, "./bin", kind=tarfile.SYMTYPE, link="usr/bin")
        add(tar, f"./{LONG}", b"long")
    trim(tmp_path / "whole.tar", tmp_path / "layer.tar", LEFT_OUT)
    return tmp_path / "layer.tar"


def members(layer: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(layer) as tar:
        return {member.name: member for member in tar}


def content(layer: Path, name: str) -> bytes:
    with tarfile.open(layer) as tar:
        file = tar.extractfile(name)
        assert file is not None
        return file.read()


def test_layer_lacks_what_matches_and_keeps_the_rest_with_its_directories(trimmed: Path) -> None:
    assert set(members(trimmed)) == {
        *("tmp", "dev", "usr", "usr/share", "usr/share/doc", "var", "var/cache", "bin"),
        *("usr/bin/perl5", "usr/bin/mount", "usr/bin/again", LONG),
    }


def test_contents_and_modes_stay(trimmed: Path) -> None:
    assert content(trimmed, "usr/bin/mount") == b"mount itself"
    assert content(trimmed, LONG) == b"long"
    assert members(trimmed)["usr/bin/mount"].mode == 0o4755
    assert members(trimmed)["tmp"].mode == 0o1777
    assert members(trimmed)["bin"].linkname == "usr/bin"


def test_owners_are_numbers_and_times_are_zero(trimmed: Path) -> None:
    for member in members(trimmed).values():
        assert (member.uid, member.gid, member.uname, member.gname, member.mtime) == (7, 8, "", "", 0)
        assert "comment" not in member.pax_headers


def test_hard_link_stays_one(trimmed: Path) -> None:
    assert members(trimmed)["usr/bin/again"].islnk()
    assert content(trimmed, "usr/bin/again") == b"mount itself"


def test_hard_link_whose_first_name_is_left_out_becomes_a_file(trimmed: Path) -> None:
    assert members(trimmed)["usr/bin/perl5"].isreg()
    assert content(trimmed, "usr/bin/perl5") == b"perl itself"


@pytest.mark.parametrize(
    "other",
    [
        Rootfs("node", ("nftables", "kmod"), 1),
        Rootfs("node", ("nftables",), 1, left_out=("usr/include",)),
        Rootfs("other", ("nftables",), 1),
    ],
)
def test_another_package_or_pattern_makes_another_root_file_system(other: Rootfs) -> None:
    assert other.recipe().key != Rootfs("node", ("nftables",), 1).recipe().key


async def test_package_is_installed_alone_by_its_version_and_sum(tmp_path: Path) -> None:
    programs, draft = tmp_path / "programs", tmp_path / "draft"
    programs.mkdir()
    draft.mkdir()
    installer = programs / "uv"
    installer.write_text(f'#!/bin/sh\necho "$@"\nfor last; do :; done\ncat "$last"\ntouch {draft}/program\n')
    installer.chmod(0o755)
    workshop = Workshop(tmp_path, "wheel/tool", {"PATH": f"{programs}:/usr/bin:/bin"})

    await Wheel("tool", "1.2", "ab" * 32).recipe().make(workshop, {}, draft)

    said = workshop.log.read_text()
    assert "--no-deps" in said
    assert "--require-hashes" in said
    assert f"tool==1.2 --hash=sha256:{'ab' * 32}\n" in said
    assert [path.name for path in draft.iterdir()] == ["program"]


def test_another_sum_makes_another_result() -> None:
    keys = {Wheel("tool", version, sum_).recipe().key for version in ("1", "2") for sum_ in ("a", "b")}

    assert len(keys) == 4
