"""A key is changed while its home is asked: the old one dies when it was said, and no answer fails meanwhile."""

import json
import threading
from collections.abc import Callable

from e2e.house import Home, create, insula
from e2e.inside import ASK_WITH_KEYS

REFUSED, OPEN = 401, 200


def statuses(home: Home, *keys: str) -> list[int]:
    """Return how the gateway answers to each key, asked from the home's own place in the network."""
    return [int(status) for status, _ in home.inside(ASK_WITH_KEYS, "http://ollama:11434/api/tags", *keys)]


def rotate(home: Home, grace: str) -> None:
    words = ("tenant", "rotate-key", home.name, "--grace", grace, "--wait", "-o", "json")
    assert json.loads(insula(*words).stdout)["inUse"]


def ask_until(home: Home, done: threading.Event, answers: list[str], failures: list[str]) -> None:
    while not done.is_set():
        asked = insula("tenant", "ask", home.name, "What is the capital of France?", check=False)
        (answers if asked.returncode == 0 else failures).append(asked.stdout or asked.stderr)


def test_an_old_key_opens_within_its_grace_and_never_after(a_place: Callable[[str], Home], model: str) -> None:
    home = a_place("locksmith")
    create(home, "--model", model)
    first, agent = home.key, home.ask()["agent"]

    # While her key is changed she goes on asking.
    answers: list[str] = []
    failures: list[str] = []
    done = threading.Event()
    asking = threading.Thread(target=ask_until, args=(home, done, answers, failures))
    asking.start()
    try:
        rotate(home, "1h")
    finally:
        done.set()
        asking.join()
    assert failures == []
    assert answers

    # Both keys open, and she speaks through the agent that her automations name.
    second = home.key
    assert second != first
    assert statuses(home, first, second) == [OPEN, OPEN]
    assert home.ask()["agent"] == agent

    # A stolen key is dead at once, and so is the one before it.
    rotate(home, "0s")
    third = home.key
    assert statuses(home, first, second, third) == [REFUSED, REFUSED, OPEN]
    assert home.ask()["agent"] == agent
    home.wait()
