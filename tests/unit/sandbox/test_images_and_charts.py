"""Images put together from results, and the chart that needs a touch."""

import json
import tarfile
from pathlib import Path

import pytest
import yaml
from fake_builds import Yard

from insula.sandbox import archives
from insula.sandbox.builds import charts, images
from insula.sandbox.builds.debian import LAYER
from insula.sandbox.builds.images import ARCHIVE, Image
from insula.sandbox.builds.recipes import Recipe
from insula.sandbox.builds.workshop import Workshop

PROGRAM = Yard().recipe("go/tool")
ROOTFS = Yard().recipe("rootfs/node")


def an_image(names: tuple[str, ...] = ("tool:1", "alias:2"), rootfs: Recipe | None = None, user: str = "5:5") -> Image:
    contents = images.programs(PROGRAM.name, "tool", "link")
    return Image(names, contents, "tool", (PROGRAM,), rootfs, entrypoint=("/usr/local/bin/tool",), user=user)


@pytest.fixture
def needs(tmp_path: Path) -> dict[str, Path]:
    program, rootfs = tmp_path / "program", tmp_path / "rootfs"
    (program / "bin").mkdir(parents=True)
    (program / "bin/tool").write_text("the tool")
    archives.write_layer(rootfs / LAYER, [archives.File("usr/bin/sh", b"a shell")])
    return {PROGRAM.name: program, ROOTFS.name: rootfs}


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    (tmp_path / "draft").mkdir()
    return tmp_path / "draft"


async def make(image: Image, needs: dict[str, Path], draft: Path) -> None:
    await image.recipe().make(Workshop(draft, "image/tool", {}), needs, draft)


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def layers(archive: Path) -> list[dict[str, tarfile.TarInfo]]:
    with tarfile.open(archive) as tar:
        index = json.load(member(tar, "index.json"))
        manifest = json.load(member(tar, blob(index["manifests"][0]["digest"])))
        found = []
        for layer in manifest["layers"]:
            with tarfile.open(fileobj=member(tar, blob(layer["digest"]))) as content:
                found.append({info.name: info for info in content})
        return found


def member(tar: tarfile.TarFile, name: str) -> tarfile.ExFileObject:
    file = tar.extractfile(name)
    assert isinstance(file, tarfile.ExFileObject)
    return file


def blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


async def test_result_is_an_archive_and_its_names_and_nothing_else(needs: dict[str, Path], draft: Path) -> None:
    await make(an_image(), needs, draft)

    assert names_in(draft) == {ARCHIVE, "names.json"}


async def test_names_and_digest_can_be_read_back(needs: dict[str, Path], draft: Path) -> None:
    await make(an_image(), needs, draft)

    names, digest = images.described(draft)

    assert names == ("localhost/insula/tool:1", "localhost/insula/alias:2")
    with tarfile.open(draft / ARCHIVE) as tar:
        manifests = json.load(member(tar, "index.json"))["manifests"]
    assert [manifest["digest"] for manifest in manifests] == [digest, digest]
    assert [manifest["annotations"][archives.NAME_ANNOTATION] for manifest in manifests] == list(names)


def test_names_without_a_digest_can_be_read_back(tmp_path: Path) -> None:
    images.write_names(tmp_path, ["localhost/insula/insula:1"], digest="")

    assert images.described(tmp_path) == (("localhost/insula/insula:1",), "")


async def test_own_layer_has_the_program_links_to_it_and_a_place_for_scratch(
    needs: dict[str, Path], draft: Path
) -> None:
    await make(an_image(), needs, draft)

    (own,) = layers(draft / ARCHIVE)
    assert set(own) == {"tmp", "usr/local/bin/tool", "usr/local/bin/link"}
    assert own["tmp"].mode == 0o1777
    assert own["usr/local/bin/tool"].mode == 0o755
    assert own["usr/local/bin/link"].linkname == "tool"


async def test_own_layer_lies_over_the_root_file_system(needs: dict[str, Path], draft: Path) -> None:
    await make(an_image(rootfs=ROOTFS), needs, draft)

    below, above = layers(draft / ARCHIVE)
    assert set(below) == {"usr/bin/sh"}
    assert "usr/local/bin/tool" in above


@pytest.mark.parametrize(
    "other", [an_image(names=("tool:2", "alias:2")), an_image(rootfs=ROOTFS), an_image(user="6:6")]
)
def test_another_name_base_or_user_makes_another_image(other: Image) -> None:
    assert other.recipe().key != an_image().recipe().key


CHART_TEMPLATE = """\
apiVersion: v1
name: cert-manager
# The version is filled in.
version: {{ version }}
appVersion: {{ version }}
description: Certificates
annotations:
  key: value
"""
CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: issuers.cert-manager.io
  labels:
    app: '{{ template "cert-manager.name" . }}'
    app.kubernetes.io/instance: '{{ .Release.Name }}'
    {{- include "labels" . | nindent 4 }}
spec:
  group: cert-manager.io
  versions:
    - name: v1
      schema:
  labels:
    kept: yes, the second one
"""


@pytest.fixture
async def chart(tmp_path: Path, draft: Path) -> Path:
    """The chart of cert-manager, made of a module's files."""
    source = Yard().recipe("source/cert-manager")
    files = tmp_path / "source/deploy"
    (files / "charts/cert-manager/templates").mkdir(parents=True)
    (files / "charts/cert-manager/Chart.template.yaml").write_text(CHART_TEMPLATE)
    (files / "charts/cert-manager/templates/rbac.yaml").write_text("{{ kept }}")
    (files / "crds").mkdir()
    (files / "crds/crd-issuers.yaml").write_text(CRD)
    (files / "crds/BUILD.bazel").touch()
    recipe = charts.cert_manager(source, "v1.2.3")
    await recipe.make(Workshop(tmp_path, recipe.name, {}), {source.name: tmp_path / "source"}, draft)
    return draft


async def test_chart_has_the_version_and_no_placeholder(chart: Path) -> None:
    assert yaml.safe_load((chart / "Chart.yaml").read_text()) == {
        "apiVersion": "v1",
        "name": "cert-manager",
        "description": "Certificates",
        "version": "v1.2.3",
        "appVersion": "v1.2.3",
    }


async def test_templates_of_the_chart_stay_as_they_are(chart: Path) -> None:
    assert (chart / "templates/rbac.yaml").read_text() == "{{ kept }}"


async def test_definitions_lose_their_placeholders_and_the_labels_made_of_them(chart: Path) -> None:
    text = (chart / "crds/crd-issuers.yaml").read_text()

    assert "{{" not in text
    assert "labels:\n    kept: yes, the second one" in text
    metadata = text.partition("spec:")[0]
    assert yaml.safe_load(metadata)["metadata"] == {"name": "issuers.cert-manager.io"}
    assert names_in(chart / "crds") == {"crd-issuers.yaml"}
