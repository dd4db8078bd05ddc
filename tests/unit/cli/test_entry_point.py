import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from insula import main
from insula.cli import exits
from insula.domain import errors


def test_help_lists_every_command_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed and door.summary in printed for name, door in main.DOORS.items())


def test_an_unknown_command_is_one_line_on_stderr_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["tennant"]) == 2
    captured = capsys.readouterr()
    assert captured.err == "insula: there is no command 'tennant' → `insula --help` lists the commands\n"
    assert not captured.out


def test_a_wrong_option_is_one_line_that_points_to_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["tenant", "show", "--nonsense"]) == 2
    assert capsys.readouterr().err.startswith("insula: No such option: --nonsense → `insula tenant show --help`")


def test_debug_adds_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["tenant", "create", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_without_debug_there_is_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["tenant", "create"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_the_word_debug_after_two_dashes_is_left_to_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["tenant", "create", "--", "--debug"]) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError("m"), 2),
        (errors.InvalidSpecError("m"), 2),
        (errors.NotFoundError("m"), 3),
        (errors.UnavailableError("m"), 4),
        (errors.RefusedError("m"), 5),
        (errors.ConflictError("m"), 6),
        (errors.InsulaError("m"), 1),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error: errors.InsulaError, code: int) -> None:
    assert exits.code_of(error) == code


def test_the_entry_point_imports_no_door_and_no_library_until_one_is_called() -> None:
    heavy = "('insula.', 'typer', 'aiohttp', 'rich', 'pydantic')"
    code = f"import sys, insula.main; print(sorted(m for m in sys.modules if m.startswith({heavy})))"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert seen == "['insula.domain', 'insula.domain.errors', 'insula.main']"


def test_a_cluster_that_does_not_answer_is_one_line_and_code_4(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],  # nothing listens on port 1
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    assert main.main(["tenant", "list"]) == 4
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_kubeconfig_that_does_not_exist_is_code_3_and_says_what_to_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    assert main.main(["doctor"]) == 3
    assert "missing does not exist → check KUBECONFIG" in capsys.readouterr().err
