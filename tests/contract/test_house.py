import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PYTHON = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py")])
LONGEST_FILE = 400  # lines

# Words that promise what only the reader can judge, and hosts that a document has no need to name.
FORBIDDEN = re.compile(
    r"\b(easy|easily|simply|seamless\w*|blazing\w*|effortless\w*|obviously|"
    r"pypi\.org|proxy\.golang\.org|deb\.debian\.org|registry\.npmjs\.org)\b",
    re.IGNORECASE,
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", [each for each in DOCUMENTS if each.name != "STYLE.md"], ids=name_of)
def test_a_document_has_no_forbidden_word(page: Path) -> None:
    assert FORBIDDEN.findall(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_a_source_file_is_no_longer_than_people_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


def test_no_test_is_skipped_expected_to_fail_or_patched() -> None:
    words = re.compile(r"mark\.(skip|xfail)|pytest\.(skip|xfail|importorskip)|mock|monkeypatch\.set(attr|item)\b")
    tests = [path for path in PYTHON if path.is_relative_to(ROOT / "tests") and path != Path(__file__)]
    assert [name_of(path) for path in tests if words.search(path.read_text(encoding="utf-8"))] == []


def test_every_target_of_the_makefile_tells_what_it_does() -> None:
    targets = re.findall(r"^([a-z0-9-]+):(?!=)(.*)$", MAKEFILE, re.MULTILINE)
    assert [name for name, rest in targets if "##" not in rest] == []


def test_every_target_of_the_makefile_is_phony() -> None:
    phony = MAKEFILE.partition(".PHONY:")[2].partition("\n\n")[0].replace("\\\n", " ").split()
    assert sorted(set(re.findall(r"^([a-z0-9-]+):.*##", MAKEFILE, re.MULTILINE))) == sorted(phony)


def test_the_layers_that_make_check_runs_are_targets() -> None:
    checks = re.search(r"^CHECKS := (.+)$", MAKEFILE, re.MULTILINE)
    assert checks is not None
    assert [layer for layer in checks[1].split() if not re.search(rf"^{layer}:", MAKEFILE, re.MULTILINE)] == []


@pytest.mark.parametrize("path", [*sorted((ROOT / "scripts").glob("*.sh")), ROOT / ".ci" / "run"], ids=name_of)
def test_a_script_is_executable_and_bash_can_read_it(path: Path) -> None:
    assert path.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", path], capture_output=True, check=False).stderr == b""
