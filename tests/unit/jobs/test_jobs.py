"""How Jobs end, and what they say while they run."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from insula.jobs.conversing import url_with_key
from insula.jobs.pulling import ProgressLines
from insula.ollama.names import ModelName
from insula.ollama.store import Store

NOBODY = "http://127.0.0.1:1"


def run_job(log: Path, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) | {"INSULA_TERMINATION_LOG": str(log)}
    return subprocess.run(
        [sys.executable, "-m", "insula", "job", *words], env=environment, capture_output=True, text=True, check=False
    )


def test_a_job_that_cannot_succeed_says_why_and_what_to_do(tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = run_job(log, ["pull", "--registry", NOBODY, "--store", str(tmp_path / "models"), "no name at all"])
    assert done.returncode == 2
    assert json.loads(log.read_text()) == {
        "error": "“no name at all” is no model name",
        "remedy": "write it as name:tag, such as gemma3:270m",
    }
    assert done.stderr.count("\n") == 1


def test_a_job_with_a_missing_secret_still_leaves_a_message(tmp_path: Path) -> None:
    log = tmp_path / "log"
    urls = ["--home-assistant", NOBODY, "--ollama", NOBODY]
    done = run_job(log, ["converse", *urls, "--model", "gemma3", "--secrets", str(tmp_path)])
    assert done.returncode == 1
    assert "FileNotFoundError" in json.loads(log.read_text())["error"]


def test_progress_is_told_once_a_second_and_at_the_end() -> None:
    lines: list[str] = []
    times = iter([0.0, 0.5, 1.1, 1.2, 1.3])
    report = ProgressLines("gemma3:270m", lines.append, clock=lambda: next(times))
    for completed in (0, 10, 20, 30, 100):
        report(completed, 100)
    assert [json.loads(line)["completed"] for line in lines] == [0, 20, 100]
    assert json.loads(lines[0]) == {"model": "gemma3:270m", "completed": 0, "total": 100}


def test_the_key_stands_in_the_url_where_the_gateway_looks_for_it() -> None:
    assert url_with_key("http://ollama:11434", "k1.id.1.sig") == "http://ollama:11434/t/k1.id.1.sig"


@pytest.mark.parametrize("name", ["gemma3:270m", "someone/llama:latest"])
def test_the_store_lists_what_its_manifests_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / ModelName.parse(name).manifest_path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"{}")
    assert [str(found) for found in Store(tmp_path).installed()] == [name]
