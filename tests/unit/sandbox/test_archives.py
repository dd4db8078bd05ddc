"""Image archives: the same content gives the same bytes, and containerd finds all it needs in them."""

import hashlib
import json
import os
import tarfile
from pathlib import Path

import pytest

from insula.sandbox.archives import (
    Directory,
    Entry,
    File,
    ImageConfig,
    Link,
    Tree,
    image_digest,
    read_layer,
    write_archive,
    write_layer,
)

ENTRIES: list[Entry] = [
    Directory("/tmp", mode=0o1777),
    File("/bin/hello", b"#!/bin/sh\n", mode=0o755),
    Link("/bin/hi", to="hello"),
]


def members(path: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(path) as tar:
        return {member.name: member for member in tar.getmembers()}


def blob(archive: Path, digest: str) -> bytes:
    with tarfile.open(archive) as tar:
        file = tar.extractfile(f"blobs/{digest.replace(':', '/')}")
        assert file is not None
        return file.read()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/b").write_text("b")
    (root / "usr/bin/a").write_text("a")
    (root / "usr/bin/c").hardlink_to(root / "usr/bin/a")
    (root / "bin").symlink_to("usr/bin")
    (root / "usr/share/doc").mkdir(parents=True)
    (root / "usr/share/doc/text").write_text("left out")
    return root


def test_same_content_gives_the_same_layer_whatever_the_clock_says(tree: Path, tmp_path: Path) -> None:
    first = write_layer(tmp_path / "first.tar", [Tree(tree)])
    os.utime(tree / "usr/bin/a", (1, 1))
    assert write_layer(tmp_path / "second.tar", [Tree(tree)]).digest == first.digest


def test_layer_measures_the_file_it_wrote(tmp_path: Path) -> None:
    layer = write_layer(tmp_path / "layer.tar", ENTRIES)
    content = layer.path.read_bytes()
    assert layer.size == len(content)
    assert layer.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert read_layer(layer.path) == layer


def test_tree_keeps_links_and_leaves_out_what_is_excluded(tree: Path, tmp_path: Path) -> None:
    found = members(write_layer(tmp_path / "l.tar", [Tree(tree, exclude=frozenset({"usr/share/doc"}))]).path)
    assert list(found) == ["bin", "usr", "usr/bin", "usr/bin/a", "usr/bin/b", "usr/bin/c", "usr/share"]
    assert found["bin"].linkname == "usr/bin"
    assert found["usr/bin/c"].islnk()
    assert found["usr/bin/c"].linkname == "usr/bin/a"


def test_tree_may_be_given_another_owner_and_place(tree: Path, tmp_path: Path) -> None:
    found = members(write_layer(tmp_path / "l.tar", [Tree(tree, target="/app", numeric_owner=(10001, 7))]).path)
    assert (found["app/usr/bin/a"].uid, found["app/usr/bin/a"].gid) == (10001, 7)


def test_single_files_keep_the_mode_and_owner_they_were_given(tmp_path: Path) -> None:
    found = members(write_layer(tmp_path / "l.tar", ENTRIES).path)
    assert (found["tmp"].mode, found["bin/hello"].mode, found["bin/hi"].linkname) == (0o1777, 0o755, "hello")
    assert {member.mtime for member in found.values()} == {0}


def test_archive_names_one_image_as_often_as_asked(tmp_path: Path) -> None:
    layer = write_layer(tmp_path / "layer.tar", ENTRIES)
    names = ["localhost/insula/a:1", "localhost/insula/b:1"]
    digest = write_archive(tmp_path / "image.tar", names, [layer], ImageConfig())
    with tarfile.open(tmp_path / "image.tar") as tar:
        file = tar.extractfile("index.json")
        assert file is not None
        index = json.load(file)
    assert [entry["annotations"]["io.containerd.image.name"] for entry in index["manifests"]] == names
    assert {entry["digest"] for entry in index["manifests"]} == {digest}


def test_archive_holds_config_and_layers_under_their_digests(tmp_path: Path) -> None:
    layer = write_layer(tmp_path / "layer.tar", ENTRIES)
    config = ImageConfig(entrypoint=("/bin/hello",), environment={"B": "2", "A": "1"}, user="10001:10001")
    digest = write_archive(tmp_path / "image.tar", ["x:1"], [layer], config)
    manifest = json.loads(blob(tmp_path / "image.tar", digest))
    image = json.loads(blob(tmp_path / "image.tar", manifest["config"]["digest"]))
    assert image["rootfs"]["diff_ids"] == [layer.digest]
    assert image["config"] == {
        "Entrypoint": ["/bin/hello"],
        "Env": ["A=1", "B=2"],
        "User": "10001:10001",
        "WorkingDir": "/",
    }
    assert hashlib.sha256(blob(tmp_path / "image.tar", layer.digest)).hexdigest() == layer.digest[7:]


def test_digest_depends_on_content_and_not_on_names(tmp_path: Path) -> None:
    layer = write_layer(tmp_path / "layer.tar", ENTRIES)
    known_before = image_digest([layer], ImageConfig(user="1"))
    assert write_archive(tmp_path / "i.tar", ["x:1"], [layer], ImageConfig(user="1")) == known_before
    assert image_digest([layer], ImageConfig(user="2")) != known_before


def test_interrupted_write_leaves_no_archive(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_layer(tmp_path / "layer.tar", [File("/x", tmp_path / "missing")])
    assert list(tmp_path.iterdir()) == []
