"""What all images have in common, and that Home Assistant's carries what every home loads."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from insula.render.scripts import start

IMAGES = Path(__file__).parents[3] / "images"


def load_script(path: Path) -> Any:
    """Load a script that stands beside a Containerfile and is in no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


requirements = load_script(IMAGES / "home-assistant" / "requirements.py")
STANDING = ("home-assistant", "insula", "ollama")


@pytest.mark.parametrize("name", [*STANDING, "base"])
def test_what_an_image_stands_on_is_an_argument(name: str) -> None:
    text = (IMAGES / name / "Containerfile").read_text()
    assert re.search(r"^ARG BASE=", text, re.MULTILINE)
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"${BASE}"}


@pytest.mark.parametrize("name", STANDING)
def test_an_image_runs_as_nobody_in_particular(name: str) -> None:
    assert re.findall(r"^USER (.+)$", (IMAGES / name / "Containerfile").read_text(), re.MULTILINE) == ["10001:10001"]


def test_home_assistant_is_not_in_a_virtual_environment() -> None:
    text = (IMAGES / "home-assistant" / "Containerfile").read_text()
    assert "pip install --system" in text


def test_every_requirement_is_pinned_with_hashes() -> None:
    for name in ("requirements.lock", "tools.lock"):
        for block in re.split(r"\n(?=\S)", (IMAGES / "home-assistant" / name).read_text()):
            assert re.match(r"[\w.-]+==[\w.+-]+ \\\n\s+--hash=sha256:[0-9a-f]{64}", block), block[:80]


def test_the_image_carries_what_the_start_script_loads() -> None:
    listed = requirements.read_integrations((IMAGES / "home-assistant" / "integrations.txt").read_text())
    assert set(start.DEFAULT_SET) <= set(listed)
    assert len(listed) == len(set(listed))


def test_requirements_are_closed_over_what_integrations_load(tmp_path: Path) -> None:
    manifests = {
        "ollama": '{"requirements": ["ollama==1"], "dependencies": ["conversation"], '
        '"after_dependencies": ["tts", "gone"]}',
        "conversation": '{"requirements": ["hassil==1"]}',
        "tts": '{"requirements": ["mutagen==1"], "zeroconf": ["_x._tcp"]}',
        "zeroconf": '{"requirements": ["zeroconf==1"]}',
        "unrelated": '{"requirements": ["unrelated==1"]}',
    }
    for name, manifest in manifests.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(manifest)
    assert requirements.close_over_dependencies(tmp_path, ["ollama"]) == {
        "ollama": ["ollama==1"],
        "conversation": ["hassil==1"],
        "tts": ["mutagen==1"],
        "zeroconf": ["zeroconf==1"],
    }


def test_second_factors_name_their_requirements_in_their_source(tmp_path: Path) -> None:
    (tmp_path / "mfa_modules").mkdir()
    (tmp_path / "mfa_modules" / "totp.py").write_text('type X = int\nREQUIREMENTS = ["pyotp==1", "PyQRCode==2"]\n')
    assert requirements.requirements_of_login(tmp_path) == {"pyotp==1", "PyQRCode==2"}
