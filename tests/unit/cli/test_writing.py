from pathlib import Path

import pytest

from insula.cli import writing
from insula.domain.errors import InvalidSpecError, NotFoundError, UsageError

FILE = """
apiVersion: insula.dev/v1alpha1
kind: Tenant
metadata: {name: alice}
spec: {owner: alice@example.com, plan: big, ollama: {models: ["gemma3:1b"], storageGiB: 30}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "alice.yaml"
    path.write_text(FILE)
    return path


def test_options_alone_make_a_whole_tenant() -> None:
    made = writing.tenant("alice", owner="alice@example.com", models=["gemma3:270m"], host="ha.alice.example.com")
    assert made["spec"] == {
        "owner": "alice@example.com",
        "plan": "standard",
        "ollama": {"models": ["gemma3:270m"]},
        "access": {"host": "ha.alice.example.com"},
    }


def test_an_option_wins_over_the_file_and_leaves_the_rest_of_it(file: Path) -> None:
    made = writing.tenant("alice", base=writing.read(file), models=["gemma3:270m"])
    assert made["spec"]["ollama"] == {"models": ["gemma3:270m"], "storageGiB": 30}
    assert made["spec"]["plan"] == "big"


def test_a_file_may_name_the_tenant(file: Path) -> None:
    assert writing.tenant(None, base=writing.read(file))["metadata"]["name"] == "alice"


def test_two_names_are_refused(file: Path) -> None:
    with pytest.raises(UsageError, match=r"'alice'.*'bob'"):
        writing.tenant("bob", base=writing.read(file))


def test_an_owner_is_asked_for() -> None:
    with pytest.raises(UsageError, match="--owner EMAIL"):
        writing.tenant("alice")


def test_a_broken_spec_is_refused_before_it_is_sent() -> None:
    with pytest.raises(InvalidSpecError, match=r"spec\.owner"):
        writing.tenant("alice", owner="nobody")


@pytest.mark.parametrize("name", ["Al_ice", "a.b", "-a", "a" * 57])
def test_a_name_that_no_namespace_can_bear_is_refused_before_it_is_sent(name: str) -> None:
    with pytest.raises(InvalidSpecError, match="cannot be a tenant's name"):
        writing.tenant(name, owner="alice@example.com")


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"none\.yaml"):
        writing.read(tmp_path / "none.yaml")


@pytest.mark.parametrize("text", ["kind: Plan", "- a", "a: [", FILE + "---" + FILE])
def test_what_is_not_one_tenant_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(text)
    with pytest.raises(InvalidSpecError, match=r"file\.yaml"):
        writing.read(path)
