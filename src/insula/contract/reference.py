"""The reference pages of Tenant, Plan and the chart's values: a row a field, from the same models as the schemas."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from insula.contract.base import MARKS_KEY, RULES_KEY, Model
from insula.contract.schema import INT_OR_STRING, Converter, Schema

_NOTICE: Final = "<!-- Made by `python -m insula.contract.generate` from src/insula/contract: edit there. -->"


@dataclass(frozen=True)
class Page:
    """One page: its title, its opening paragraph, the model, and the path of the model in what a user writes."""

    title: str
    opening: str
    model: type[Model]
    root: str = ""

    def to_markdown(self) -> str:
        """Return the page's text."""
        schema = _Documented(self.model).schema()
        lines = [_NOTICE, "", f"# {self.title}", "", self.opening, ""]
        lines += ["| Field | Type | Default | What it does |", "|---|---|---|---|"]
        lines += _rows(schema, self.root, {})
        transitions = sorted(set(_transitions(schema)))
        if transitions:
            lines += ["", "The API server also holds that:", "", *(f"- {message}." for message in transitions)]
        return "\n".join(lines) + "\n"


class _Documented(Converter):
    def _finish(self, raw: Schema, out: Schema) -> None:
        out |= {key: raw[key] for key in ("default", RULES_KEY, MARKS_KEY) if key in raw}


def _rows(schema: Schema, path: str, defaults: dict[str, Any]) -> Iterator[str]:
    """Yield a row for each field below `schema`; `defaults` is what the parent's default says about them."""
    for name, field in schema["properties"].items():
        where = f"{path}.{name}" if path else name
        default = defaults.get(name, field.get("default"))
        if "properties" in field:
            yield f"| `{where}` | object | | {_cell(field['description'])} |"
            yield from _rows(field, where, default or {})
            continue
        is_required = name in schema.get("required", ()) and name not in defaults
        shown = "required" if is_required else _default(default)
        yield f"| `{where}` | {_type(field)} | {_cell(shown)} | {_cell(_bounds(field) + field['description'])} |"


def _default(value: Any) -> str:
    return "" if value in (None, "", [], {}) else f"`{json.dumps(value)}`"


def _bounds(field: Schema) -> str:
    has_both = "minimum" in field and "maximum" in field
    return f"From {field['minimum']} to {field['maximum']}. " if has_both else ""


def _type(field: Schema) -> str:
    if field.get(MARKS_KEY, {}).get(INT_OR_STRING):
        return "quantity"
    if "enum" in field:
        return "one of " + ", ".join(f"`{value}`" for value in field["enum"])
    if field["type"] == "array":
        return f"list of {_type(field['items'])}s"
    if field["type"] == "object":
        return "map of strings"
    kind: str = field["type"]
    return kind


def _transitions(schema: Schema) -> Iterator[str]:
    """Yield the messages of the rules that compare an object with its former self."""
    for rule in schema.get(RULES_KEY, ()):
        if "oldSelf" in rule["rule"]:
            yield rule["message"]
    for field in schema.get("properties", {}).values():
        yield from _transitions(field)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
