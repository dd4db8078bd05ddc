"""A home whose Ollama is not there says so; when it is back, the home answers again."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.house import Home, insula, until

UNAVAILABLE = 4  # the exit code


def ask_in_vain(home: Home) -> str:
    done = insula("tenant", "ask", home.name, "Are you there?", check=False)
    assert done.returncode == UNAVAILABLE
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


def set_spec(home: Home, spec: dict[str, Any]) -> None:
    home.cluster.kubectl("patch", "tenant", home.name, "--type=merge", "-p", json.dumps({"spec": spec}))


@pytest.fixture
def bobs_home(bob: Home) -> Iterator[Home]:
    """Bob's home, which is whole again afterwards."""
    yield bob
    set_spec(bob, {"suspended": False, "ollama": {"image": None}})
    bob.wait()


def test_a_suspended_home_says_that_it_is_suspended_and_answers_when_it_is_resumed(bobs_home: Home) -> None:
    insula("tenant", "suspend", bobs_home.name, "--wait")
    assert bobs_home.pods("ollama") == []
    assert "bob is suspended" in ask_in_vain(bobs_home)
    insula("tenant", "resume", bobs_home.name, "--wait")
    assert bobs_home.ask()["answer"].strip()


def test_a_home_whose_ollama_has_no_pod_says_so_and_answers_when_it_has_one(bobs_home: Home) -> None:
    set_spec(bobs_home, {"ollama": {"image": "localhost/nobody/has:this"}})
    until("bob's Ollama being gone", lambda: not bobs_home.get("deployment", "ollama")["status"].get("readyReplicas"))
    assert "bob's Ollama has no ready pod" in ask_in_vain(bobs_home)
    set_spec(bobs_home, {"ollama": {"image": None}})
    bobs_home.ready_pod("ollama")
    bobs_home.wait()
    assert bobs_home.ask()["answer"].strip()
