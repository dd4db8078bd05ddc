import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from insula import main
from insula.cli import exits, reference
from insula.domain.conditions import ConditionType
from insula.reconcile.reasons import Reason

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def links(page: Path) -> Iterator[str]:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    yield from (link for link in LINK.findall(text) if not re.match(r"[a-z]+:", link))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_generated_pages_are_current() -> None:
    assert reference.outdated(ROOT) == []


def test_every_command_that_people_type_is_in_the_reference() -> None:
    text = reference.pages()["docs/reference/cli.md"]
    doors = {name for name, door in main.DOORS.items() if not door.serves}
    assert doors == set(reference.COMMANDS)
    assert [name for name in doors if f"## insula {name}\n" not in text] == []


def test_every_exit_code_is_in_the_reference() -> None:
    text = reference.pages()["docs/reference/cli.md"]
    assert [code for code, _ in exits.rows() if f"| {code} |" not in text] == []


def test_every_condition_and_reason_is_in_the_reference_with_its_meaning() -> None:
    text = reference.pages()["docs/reference/conditions.md"]
    words = [*ConditionType, *Reason]
    assert [word for word in words if not re.search(rf"^\| `{word}` \| \S", text, re.MULTILINE)] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page: Path) -> None:
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def shell_lines(page: Path) -> Iterator[str]:
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        yield from (line.partition(" #")[0].strip() for line in block.replace("\\\n", " ").splitlines())


def section_of(words: list[str]) -> str:
    """Return what the reference says about the longest command that the words begin with; "" for none."""
    text = reference.pages()["docs/reference/cli.md"]
    for length in range(min(4, len(words)), 1, -1):
        heading = f"# {' '.join(words[:length])}\n"
        if heading in text:
            return text.partition(heading)[2].partition("\n##")[0]
    return ""


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_in_a_document_exists_with_its_options(page: Path) -> None:
    unknown = []
    for line in shell_lines(page):
        words = shlex.split(line)
        if words[:1] == ["insula"]:
            section = section_of(words)
            options = [word.partition("=")[0] for word in words if word.startswith("--")]
            unknown += [line] if not section or any(option not in section for option in options) else []
    assert unknown == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_make_target_in_a_document_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {words[1] for words in map(shlex.split, shell_lines(page)) if words[:1] == ["make"]}
    named |= set(re.findall(r"`make ([a-z0-9-]+)", page.read_text(encoding="utf-8")))
    assert named - targets == set()


def test_every_page_can_be_found_from_the_index() -> None:
    found: set[Path] = set()
    queue = [DOCS / "index.md"]
    while queue:
        page = queue.pop()
        if page in found or page.suffix != ".md" or not page.is_file():
            continue
        found.add(page)
        queue += [(page.parent / link.partition("#")[0]).resolve() for link in links(page) if not link.startswith("#")]
    assert [name_of(page) for page in PAGES if page.is_relative_to(DOCS) and page not in found] == []


def test_every_decision_is_in_the_list_of_decisions() -> None:
    listed = set(links(DOCS / "decisions" / "README.md"))
    assert {page.name for page in (DOCS / "decisions").glob("[0-9]*.md")} == listed


@pytest.mark.parametrize("page", sorted((DOCS / "decisions").glob("[0-9]*.md")), ids=name_of)
def test_a_decision_has_its_number_and_its_four_parts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.name[:4]}: ")
    parts = re.findall(r"^(?:## |\*\*)(Context|Decision|Consequences|The way back)\b", text, re.MULTILINE)
    assert parts == ["Context", "Decision", "Consequences", "The way back"]
