"""What the API server demands of a CRD's schema, checked without one."""

from collections.abc import Iterator
from typing import Any

import pytest

from insula.contract.crds import plan_crd, tenant_crd
from insula.contract.schema import helm
from insula.contract.values import Values

Node = tuple[str, dict[str, Any]]
FORBIDDEN = {"$ref", "$defs", "anyOf", "oneOf", "allOf", "title", "const", "nullable", "additionalItems"}


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[Node]:
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from nodes(field, f"{path}.{name}")
    for inner in ("items", "additionalProperties"):
        if isinstance(schema.get(inner), dict):
            yield from nodes(schema[inner], f"{path}[]")


def schema_of(crd: dict[str, Any]) -> dict[str, Any]:
    (version,) = crd["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


ALL = [
    pytest.param(schema, id=f"{kind}{path}")
    for kind, crd in (("tenant", tenant_crd()), ("plan", plan_crd()))
    for path, schema in nodes(schema_of(crd))
]


@pytest.mark.parametrize("schema", ALL)
def test_every_node_has_one_type_and_nothing_that_is_not_structural(schema: dict[str, Any]) -> None:
    assert not FORBIDDEN & schema.keys()
    assert not [key for key in schema if key.startswith("x-") and not key.startswith("x-kubernetes-")]
    if schema.get("x-kubernetes-int-or-string"):
        assert "type" not in schema
    else:
        assert schema["type"] in {"object", "array", "string", "integer", "boolean"}
    assert "additionalProperties" not in schema or isinstance(schema["additionalProperties"], dict)


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(schema, id=f"{kind}{path}")
        for kind, crd in (("tenant", tenant_crd()), ("plan", plan_crd()))
        for path, schema in nodes(schema_of(crd)["properties"]["spec"], ".spec")
    ],
)
def test_everything_in_a_spec_is_bounded_so_that_rules_stay_affordable(schema: dict[str, Any]) -> None:
    match schema.get("type", "quantity"):
        case "string":
            assert "maxLength" in schema or "enum" in schema
        case "quantity":
            assert "maxLength" in schema
            assert "pattern" in schema
        case "array":
            assert "maxItems" in schema
        case "integer":
            assert "minimum" in schema
            assert "maximum" in schema


def test_sizes_of_volumes_are_whole_gib() -> None:
    spec = schema_of(tenant_crd())["properties"]["spec"]["properties"]

    assert spec["ollama"]["properties"]["storageGiB"]["type"] == "integer"


def test_the_server_writes_no_default_that_a_plan_could_give() -> None:
    defaults = {path: schema["default"] for path, schema in nodes(schema_of(tenant_crd())) if "default" in schema}

    assert defaults == {".spec.suspended": False, ".spec.deletionPolicy": "Retain"}


def test_both_crds_are_cluster_wide_and_outlive_the_release() -> None:
    for crd in (tenant_crd(), plan_crd()):
        assert crd["spec"]["scope"] == "Cluster"
        assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert tenant_crd()["spec"]["versions"][0]["subresources"] == {"status": {}}


def test_the_values_schema_refuses_unknown_fields_everywhere() -> None:
    root = helm(Values)
    assert "global" in root["properties"]
    for path, schema in nodes(root):
        if "properties" in schema:
            assert schema["additionalProperties"] is False, path
