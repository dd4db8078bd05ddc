"""A home reaches an Ollama with its own key alone, and its key is of no use to anybody else's home."""

from typing import Any

import pytest

from e2e.house import MODEL, Home
from e2e.inside import ASK_WITH_KEYS


def answers(home: Home, *keys: str) -> list[tuple[int, Any]]:
    """Return what the gateway answers to each key, asked from the home's own place in the network."""
    found = home.inside(ASK_WITH_KEYS, "http://ollama:11434/api/tags", *keys)
    return [(status, body) for status, body in found]


def test_a_home_with_its_own_key_sees_its_own_models(alice: Home) -> None:
    ((status, body),) = answers(alice, alice.key)
    assert status == 200
    assert [model["name"] for model in body["models"]] == [MODEL]


@pytest.mark.parametrize("key", ["", "garbage", "a.b.c.d"])
def test_without_a_true_key_nothing_opens(alice: Home, key: str) -> None:
    ((status, body),) = answers(alice, key)
    assert status == 401
    assert body["error"]


def test_a_key_of_another_generation_does_not_open(alice: Home) -> None:
    kid, identity, _, signature = alice.key.split(".")
    ((status, _),) = answers(alice, f"{kid}.{identity}.2.{signature}")
    assert status == 401


def test_bobs_key_is_of_no_use_in_alices_home(alice: Home, bob: Home) -> None:
    from_alice, from_bob = answers(alice, bob.key), answers(bob, bob.key)
    assert from_alice == [(401, {"error": "this key belongs to another home"})]
    assert [status for status, _ in from_bob] == [200]
