"""Every example is read by the models and passes the schema that the API server holds."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from insula.contract.crds import plan_crd, tenant_crd
from insula.contract.resolve import resolve_plan, resolve_tenant
from insula.domain.platform import Images, Platform

ROOT = Path(__file__).parents[2]
CRDS = {crd["spec"]["names"]["kind"]: crd for crd in (tenant_crd(), plan_crd())}
PLATFORM = Platform("example.com", Images("i:1", "h:1", "o:1"), "insula-system")


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


EXAMPLES = [
    pytest.param(document, id=f"{path.name}-{document['metadata']['name']}")
    for path in sorted((ROOT / "examples").glob("*.yaml"))
    for document in documents(path)
]
CHART_PLAN = yaml.safe_load((ROOT / "charts/insula/values.yaml").read_text(encoding="utf-8"))["defaultPlan"]
PLANS = {
    manifest["metadata"]["name"]: manifest
    for manifest in (
        {"kind": "Plan", "metadata": {"name": CHART_PLAN["name"]}, "spec": CHART_PLAN["spec"]},
        *(example.values[0] for example in EXAMPLES),
    )
    if isinstance(manifest, dict) and manifest["kind"] == "Plan"
}


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a structural schema as the API server holds it with strict field validation."""
    out = dict(schema)
    if out.get("x-kubernetes-int-or-string"):
        out["type"] = ["integer", "string"]
    if "properties" in out:
        out["properties"] = {name: strict(field) for name, field in out["properties"].items()}
        out["additionalProperties"] = False
    if "items" in out:
        out["items"] = strict(out["items"])
    return out


@pytest.mark.parametrize("document", EXAMPLES)
def test_an_example_passes_the_schema_of_its_kind(document: dict[str, Any]) -> None:
    crd = CRDS[document["kind"]]

    assert document["apiVersion"] == f"{crd['spec']['group']}/{crd['spec']['versions'][0]['name']}"
    jsonschema.validate(document, strict(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]))


@pytest.mark.parametrize("document", EXAMPLES)
def test_an_example_is_accepted_with_the_plan_that_it_names(document: dict[str, Any]) -> None:
    if document["kind"] == "Plan":
        assert resolve_plan(document).name == document["metadata"]["name"]
    else:
        plan = resolve_plan(PLANS[document["spec"]["plan"]])
        assert resolve_tenant(document, plan, PLATFORM).plan == plan.name


def test_the_full_plan_shows_every_field() -> None:
    (plan,) = documents(ROOT / "examples/plan.yaml")
    fields = CRDS["Plan"]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]

    assert plan["spec"].keys() == fields.keys()
    assert plan["spec"]["ceilings"].keys() == fields["ceilings"]["properties"].keys()
