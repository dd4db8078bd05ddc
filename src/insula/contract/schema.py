"""From our pydantic models to the two dialects of JSON schema that Kubernetes and Helm read.

Kubernetes wants *structural* schemas: no references, one type everywhere, no `additionalProperties: false`, and our
string shapes as CEL rules, because only a rule carries a sentence of ours. Helm wants plain draft 7.
"""

from typing import Any, Final, TypeAlias

from insula.contract.base import DEFAULT_KEY, MARKS_KEY, RULES_KEY, SHAPE_KEY, Model

Schema: TypeAlias = dict[str, Any]

_KEPT: Final = (
    "type",
    "description",
    "enum",
    "format",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "maxProperties",
    "required",
)
INT_OR_STRING: Final = "x-kubernetes-int-or-string"


def structural(model: type[Model]) -> Schema:
    """Return a model as a structural schema for a CustomResourceDefinition."""
    return _Structural(model).schema()


def helm(model: type[Model]) -> Schema:
    """Return a model as a draft 7 schema that refuses unknown fields, as Helm checks values with."""
    return _Helm(model).schema()


class Converter:
    """Walks pydantic's schema with its references resolved; what differs between the dialects is in `_finish`."""

    def __init__(self, model: type[Model]) -> None:
        self._root = model.model_json_schema(by_alias=True, mode="validation")
        self._definitions: Schema = self._root.get("$defs", {})

    def schema(self) -> Schema:
        """Return the whole schema in this dialect."""
        return self._convert(self._root)

    def _convert(self, raw: Schema) -> Schema:
        raw = self._flat(raw)
        out: Schema = {key: raw[key] for key in _KEPT if key in raw}
        if "const" in raw:
            out["enum"] = [raw["const"]]
        if "description" in out:
            out["description"] = " ".join(out["description"].split())
        if "properties" in raw:
            out["properties"] = {name: self._convert(field) for name, field in raw["properties"].items()}
        if "items" in raw:
            out["items"] = self._convert(raw["items"])
        if isinstance(raw.get("additionalProperties"), dict):
            out["additionalProperties"] = self._convert(raw["additionalProperties"])
        self._finish(raw, out)
        return out

    def _flat(self, raw: Schema) -> Schema:
        """Resolve a reference and drop the `null` of an optional field; what stands beside them wins."""
        beside = {key: value for key, value in raw.items() if key not in ("$ref", "anyOf")}
        if "$ref" in raw:
            return {**self._flat(self._definitions[raw["$ref"].rpartition("/")[2]]), **beside}
        if "anyOf" in raw:
            (choice,) = (option for option in raw["anyOf"] if option.get("type") != "null")
            return {**self._flat(choice), **beside}
        return raw

    def _finish(self, raw: Schema, out: Schema) -> None:
        """Add to `out`, in place, what this dialect makes of the rest of `raw`."""
        raise NotImplementedError


class _Structural(Converter):
    def _finish(self, raw: Schema, out: Schema) -> None:
        out.update(raw.get(MARKS_KEY, {}))
        if raw.get(DEFAULT_KEY):
            out["default"] = raw["default"]
        rules = list(raw.get(RULES_KEY, ()))
        shape = raw.get(SHAPE_KEY)
        if shape and out.get(INT_OR_STRING):
            # CEL would have to tell the two types apart; a pattern looks at strings alone.
            del out["type"]
            out["pattern"] = f"^({shape['pattern']})$"
        elif shape:
            rules.append({"rule": f"self.matches(r'^({shape['pattern']})$')", "message": shape["message"]})
        if rules:
            out["x-kubernetes-validations"] = rules


class _Helm(Converter):
    def schema(self) -> Schema:
        """Return the schema with draft 7's head."""
        out = super().schema()
        # Helm puts `global` into the values of every subchart.
        out["properties"]["global"] = {"type": "object", "description": "Values that a parent chart shares."}
        return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the Insula chart", **out}

    def _finish(self, raw: Schema, out: Schema) -> None:
        if "properties" in out:
            out["additionalProperties"] = False
        if raw.get(MARKS_KEY, {}).get(INT_OR_STRING):
            out["type"] = ["string", "integer"]
        if SHAPE_KEY in raw:
            out["pattern"] = f"^({raw[SHAPE_KEY]['pattern']})$"
