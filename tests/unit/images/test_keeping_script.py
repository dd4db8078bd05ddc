"""What is laid aside before another version of Home Assistant starts, and when it comes back."""

from pathlib import Path

import pytest

from insula.render.scripts import keeping

ROLLED_BACK = {"INSULA_ROLLED_BACK": "1"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A home that ran version 1."""
    write(tmp_path, "1", "made by 1")
    return tmp_path


def write(config: Path, release: str, text: str) -> None:
    """Play Home Assistant: it writes its version, its storage and its history."""
    (config / ".storage").mkdir(exist_ok=True)
    (config / ".storage" / "auth").write_text(text)
    (config / ".HA_VERSION").write_text(release)
    (config / "home-assistant_v2.db").write_text(f"history {text}")


def held(config: Path) -> tuple[str, str, str]:
    files = (".HA_VERSION", ".storage/auth", "home-assistant_v2.db")
    version, storage, history = ((config / name).read_text() for name in files)
    return version, storage, history


def test_nothing_is_kept_for_a_new_home_or_the_same_version(config: Path, tmp_path: Path) -> None:
    assert keeping.keep_or_bring_back(tmp_path / "new", "1", {}) == ""
    assert keeping.keep_or_bring_back(config, "1", {}) == ""
    assert not (config / ".insula").exists()


def test_a_version_that_failed_leaves_no_trace(config: Path) -> None:
    before = held(config)
    assert keeping.keep_or_bring_back(config, "2", {}) == "kept"
    write(config, "2", "migrated by 2")
    (config / "home-assistant_v2.db-wal").write_text("half written by 2")
    assert keeping.keep_or_bring_back(config, "2", {}) == ""
    assert keeping.keep_or_bring_back(config, "1", ROLLED_BACK) == "brought back"
    assert held(config) == before
    assert not (config / "home-assistant_v2.db-wal").exists()
    assert (config / keeping.FAILED / ".storage" / "auth").read_text() == "migrated by 2"


def test_what_came_back_comes_back_once(config: Path) -> None:
    keeping.keep_or_bring_back(config, "2", {})
    write(config, "2", "migrated by 2")
    keeping.keep_or_bring_back(config, "1", ROLLED_BACK)
    write(config, "1", "weeks later")
    assert keeping.keep_or_bring_back(config, "1", ROLLED_BACK) == ""
    assert held(config)[1] == "weeks later"


def test_a_version_that_never_started_changes_nothing(config: Path) -> None:
    before = held(config)
    assert keeping.keep_or_bring_back(config, "1", ROLLED_BACK) == ""
    assert held(config) == before


def test_a_downgrade_by_wish_brings_nothing_back(config: Path) -> None:
    keeping.keep_or_bring_back(config, "2", {})
    write(config, "2", "weeks with 2")
    assert keeping.keep_or_bring_back(config, "1", {}) == "kept"
    assert held(config)[1] == "weeks with 2"


def test_a_copy_of_another_version_is_not_brought_back(config: Path) -> None:
    keeping.keep_or_bring_back(config, "2", {})
    write(config, "2", "migrated by 2")
    assert keeping.keep_or_bring_back(config, "0", ROLLED_BACK) == "kept"
    assert held(config)[1] == "migrated by 2"


@pytest.mark.parametrize("storage_moved", [False, True])
def test_a_return_that_was_cut_short_is_finished(config: Path, storage_moved: bool) -> None:
    before = held(config)
    keeping.keep_or_bring_back(config, "2", {})
    write(config, "2", "migrated by 2")
    failed = config / keeping.FAILED
    failed.mkdir(parents=True)
    (config / ".storage").rename(failed / ".storage")
    if storage_moved:
        (config / keeping.KEPT / ".storage").rename(config / ".storage")
    keeping.keep_or_bring_back(config, "1", ROLLED_BACK)
    assert held(config) == before


def test_a_copy_that_was_cut_short_is_made_anew(config: Path) -> None:
    draft = (config / keeping.KEPT).with_suffix(".draft")
    (draft / ".storage").mkdir(parents=True)
    (draft / ".storage" / "auth").write_text("half")
    assert keeping.keep_or_bring_back(config, "2", {}) == "kept"
    assert (config / keeping.KEPT / ".storage" / "auth").read_text() == "made by 1"
    assert not draft.exists()


def test_a_long_history_is_not_copied(config: Path) -> None:
    with (config / "home-assistant_v2.db").open("ab") as file:
        file.truncate(keeping.DATABASE_MAX + 1)
    keeping.keep_or_bring_back(config, "2", {})
    assert {path.name for path in (config / keeping.KEPT).iterdir()} == {".storage", ".HA_VERSION"}
