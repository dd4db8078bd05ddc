"""How people write a model's name."""

import pytest

from insula.domain.errors import InvalidSpecError
from insula.ollama.names import ModelName


@pytest.mark.parametrize(
    ("text", "repository", "tag"),
    [
        ("gemma3:270m", "library/gemma3", "270m"),
        ("gemma3", "library/gemma3", "latest"),
        ("someone/llama3.2:3b-q4_K_M", "someone/llama3.2", "3b-q4_K_M"),
    ],
)
def test_a_name_says_repository_and_tag(text: str, repository: str, tag: str) -> None:
    name = ModelName.parse(text)
    assert (name.repository, name.tag) == (repository, tag)


def test_a_name_without_namespace_is_written_without_it() -> None:
    assert str(ModelName.parse("gemma3:270m")) == "gemma3:270m"
    assert str(ModelName.parse("someone/gemma3")) == "someone/gemma3:latest"


@pytest.mark.parametrize(
    "text", ["", ":270m", "a/b/c", "../gemma3", "gemma3:", "gemma3:..", "http://host/gemma3", "a b"]
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpecError):
        ModelName.parse(text)
