"""What all models of the contract share: strictness, names in camelCase, and shapes of strings."""

import re
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

# Keys that our models leave in their JSON schema for the converters; none reaches a generated file.
SHAPE_KEY: Final = "x-insula-shape"
RULES_KEY: Final = "x-insula-rules"
MARKS_KEY: Final = "x-insula-marks"
DEFAULT_KEY: Final = "x-insula-default"


class Model(BaseModel):
    """The root of all models: unknown fields are refused, values never change, YAML speaks camelCase."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
    )


@dataclass(frozen=True)
class Shape:
    """A pattern that a whole string must match, with the sentence that a person reads when it does not.

    The same pattern is checked here, by the API server (as a CEL rule, whose message is ours) and by
    Helm (as a JSON schema pattern), so it uses only what Python's `re` and RE2 share, and no quotes.
    """

    pattern: str
    message: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the string after all other checks of its type."""
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Leave the shape where the converters find it."""
        return {**handler(schema), SHAPE_KEY: {"pattern": self.pattern, "message": self.message}}

    def _checked(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value):
            raise ValueError(self.message)
        return value


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """Return the `json_schema_extra` of a model with CEL rules, each a pair of rule and message."""
    return {RULES_KEY: [{"rule": rule, "message": message} for rule, message in pairs]}


def marks(**extensions: Any) -> dict[str, Any]:
    """Return the `json_schema_extra` of a field with `x-kubernetes-` extensions, named without that prefix."""
    return {MARKS_KEY: {f"x-kubernetes-{name.replace('_', '-')}": value for name, value in extensions.items()}}


# A default that the API server may write into the object: it can surprise nobody.
SERVER_DEFAULT: Final[dict[str, Any]] = {DEFAULT_KEY: True}
