from pathlib import Path

import pytest

from insula.contract.generate import generated, main, outdated, write

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", sorted(generated()))
def test_a_generated_file_says_what_the_models_say(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == generated()[path], "run `python -m insula.contract.generate`"


def test_the_check_finds_a_missing_and_a_changed_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", str(tmp_path)]) == 1
    assert sorted(write(tmp_path)) == sorted(generated())
    assert main(["--check", str(tmp_path)]) == 0

    (tmp_path / "docs/reference/plan.md").write_text("other", encoding="utf-8")
    assert outdated(tmp_path) == ["docs/reference/plan.md"]
    assert main([str(tmp_path)]) == 0
    assert outdated(tmp_path) == []
    assert "run `python -m insula.contract.generate`" in capsys.readouterr().err


def test_no_definition_holds_what_helm_would_evaluate() -> None:
    for path, text in generated().items():
        assert not path.startswith("charts/insula/crds/") or "{{" not in text, path
