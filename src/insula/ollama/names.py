"""A model's name as people write it, and where the store and a registry keep it."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from insula.domain.errors import InvalidSpecError

# The store names a model after the public registry, whatever registry served it: only so is it plain `gemma3:270m`.
STORE_HOST: Final = "registry.ollama.ai"
DEFAULT_NAMESPACE: Final = "library"
DEFAULT_TAG: Final = "latest"

_NAME: Final = re.compile(r"(?:(?P<namespace>[\w-]+)/)?(?P<name>\w[\w.-]*)(?::(?P<tag>\w[\w.-]*))?", re.ASCII)


@dataclass(frozen=True, order=True)
class ModelName:
    """A model and its variant, such as `gemma3:270m` or `someone/gemma3:latest`."""

    namespace: str
    name: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> "ModelName":
        """Return the name written as `[namespace/]name[:tag]`; the tag is `latest` when absent.

        Raises:
            InvalidSpecError: The text is no such name; a host in front belongs in the registry's URL.
        """
        match = _NAME.fullmatch(text)
        if match is None:
            raise InvalidSpecError(f"“{text}” is no model name", remedy="write it as name:tag, such as gemma3:270m")
        return cls(match["namespace"] or DEFAULT_NAMESPACE, match["name"], match["tag"] or DEFAULT_TAG)

    def __str__(self) -> str:
        where = "" if self.namespace == DEFAULT_NAMESPACE else f"{self.namespace}/"
        return f"{where}{self.name}:{self.tag}"

    @property
    def repository(self) -> str:
        """The repository in a registry, such as `library/gemma3`."""
        return f"{self.namespace}/{self.name}"

    @property
    def manifest_path(self) -> PurePosixPath:
        """The manifest's path below the store's root."""
        return PurePosixPath("manifests", STORE_HOST, self.namespace, self.name, self.tag)
