"""The journal: the machine's own values survive whatever is noted after them."""

from pathlib import Path

import pytest

from insula.domain.errors import InsulaError
from insula.sandbox import journal


def test_no_journal_is_an_empty_one(tmp_path: Path) -> None:
    assert journal.read(tmp_path / "journal.json") == journal.Journal()


def test_first_noted_value_stays(tmp_path: Path) -> None:
    path = tmp_path / "state" / "journal.json"
    journal.note_sysctl(path, "fs/inotify/max_user_instances", "128")
    journal.note_sysctl(path, "fs/inotify/max_user_instances", "8192")
    assert journal.read(path).sysctls == {"fs/inotify/max_user_instances": "128"}


def test_controllers_add_up(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    journal.note_controllers(path, ("memory",))
    journal.note_controllers(path, ("cpu", "memory"))
    assert journal.read(path).controllers == ("cpu", "memory")


@pytest.mark.parametrize("content", ["", "[]", '{"sysctls": {}}'])
def test_broken_journal_is_named_with_what_to_do(tmp_path: Path, content: str) -> None:
    path = tmp_path / "journal.json"
    path.write_text(content)
    with pytest.raises(InsulaError, match=r"move .* away"):
        journal.read(path)
