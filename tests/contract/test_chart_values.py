"""The values file, the model, the schema and the examples in ci/ say the same; roles and labels match the code."""

import copy
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from insula.contract.values import Values
from insula.domain import names
from insula.domain.platform import Images, Platform

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/insula"
DEFAULTS: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
EXAMPLES = sorted((CHART / "ci").glob("*-values.yaml"))


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Merge values as Helm does: maps by key, everything else replaced."""
    out = copy.deepcopy(base)
    for key, value in over.items():
        both_maps = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merged(out[key], value) if both_maps else value
    return out


def fields(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield the path of every field of a schema."""
    for name, field in schema.get("properties", {}).items():
        yield f"{path}{name}"
        yield from fields(field, f"{path}{name}.")


def is_written(path: str) -> bool:
    """Say whether the values file holds a field."""
    values: Any = DEFAULTS
    for step in path.split("."):
        if not isinstance(values, dict) or step not in values:
            return False
        values = values[step]
    return True


def test_the_values_file_says_what_the_models_default_to() -> None:
    without_default = {key: DEFAULTS[key] for key in ("domain", "operator", "gateway", "defaultPlan")}

    assert Values.model_validate(DEFAULTS) == Values.model_validate(without_default)


def test_the_values_file_shows_every_field_but_those_that_are_absent_by_default() -> None:
    missing = {path for path in fields(SCHEMA) if not is_written(path)}

    absent = (
        *("modelRegistry.opening", "modelRegistry.pods", "packageIndex.opening"),
        *("metrics.scraper", "global", "defaultPlan.spec.gpu"),
        *(f"defaultPlan.spec.inference.{name}" for name in ("keepAlive", "gpuSecondsPerDay", "sleepAfter")),
    )
    assert {path for path in missing if not path.startswith(absent)} == set()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_of_values_passes_schema_and_model(path: Path) -> None:
    values = merged(DEFAULTS, yaml.safe_load(path.read_text(encoding="utf-8")))

    jsonschema.validate(values, SCHEMA)
    assert Values.model_validate(values).domain


@pytest.mark.parametrize(
    "wrong",
    [
        {"domian": "x"},
        {"operator": {"replicas": 0}},
        {"ingress": {"flavour": "apache"}},
        {"hostTemplate": "home.{domain}"},
        {"images": {"insula": {"tga": "1"}}},
        {"defaultPlan": {"spec": {"defaults": {"ollama": {"storageGiB": "20"}}}}},
    ],
    ids=str,
)
def test_wrong_values_are_refused_by_schema_and_model_alike(wrong: dict[str, Any]) -> None:
    values = merged(DEFAULTS, wrong)

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, SCHEMA)
    with pytest.raises(ValidationError):
        Values.model_validate(values, strict=True)


def test_the_chart_ships_the_version_of_the_package() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    package = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

    assert chart["appVersion"] == package
    assert chart["version"] == package


def test_templates_bear_the_names_that_the_code_looks_for() -> None:
    platform = Platform("example.com", Images("i:1", "h:1", "o:1"), "insula-system")
    texts = {path.name: path.read_text(encoding="utf-8") for path in (CHART / "templates").iterdir()}

    assert f"name: {platform.gateway_service}\n" in texts["gateway.yaml"]
    assert f"name: {platform.operator_service_account}\n" in texts["rbac-operator.yaml"]
    assert f"name: {platform.tenant_secrets_role}\n" in texts["rbac-operator.yaml"]
    assert f"name: {platform.activity_role}\n" in texts["rbac-gateway.yaml"]
    assert f"resourceNames: [{names.ACTIVITY}]\n" in texts["rbac-gateway.yaml"]
    secrets = (names.SECRET_PLATFORM_ACCOUNT, names.SECRET_RESIDENT_ACCOUNT, names.SECRET_GATEWAY_KEY)
    assert f"resourceNames: [{', '.join(secrets)}]" in texts["rbac-operator.yaml"]
    assert f"{{key: {names.LABEL_TENANT_ID}, operator: Exists}}" in texts["network-policies.yaml"]
    assert f"{{{names.LABEL_NETWORK}: {names.OLLAMA}}}" in texts["network-policies.yaml"]


def test_the_chart_makes_no_secret_and_no_random_text() -> None:
    for path in (CHART / "templates").iterdir():
        text = path.read_text(encoding="utf-8")
        assert "kind: Secret\n" not in text, path.name
        assert "rand" not in text.replace("operand", ""), path.name
        assert ":latest" not in text, path.name
