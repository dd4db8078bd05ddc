"""Write the files that follow from the models, or check that they are current.

Run it as `python -m insula.contract.generate [--check] [ROOT]`; ROOT is the repository, by default where you stand.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from insula.contract.crds import plan_crd, tenant_crd
from insula.contract.plans import PlanSpec
from insula.contract.reference import Page
from insula.contract.schema import helm
from insula.contract.tenants import TenantSpec
from insula.contract.values import Values
from insula.domain.manifests import Manifest

_NOTICE: Final = "# Made by `python -m insula.contract.generate` from src/insula/contract: edit there.\n"
_PAGES: Final = {
    "tenant": Page(
        "Tenant",
        "A `Tenant` (`insula.dev/v1alpha1`, cluster-scoped) is one person's home. Its name becomes part of the host "
        "and of the namespace `insula-<name>`, so it has at most 56 lower-case letters, digits and hyphens.",
        TenantSpec,
        "spec",
    ),
    "plan": Page(
        "Plan",
        "A `Plan` (`insula.dev/v1alpha1`, cluster-scoped) is what a provider offers: what a tenant gets without asking "
        "and what it may ask for at most.",
        PlanSpec,
        "spec",
    ),
    "values": Page(
        "Values of the chart",
        "What `helm upgrade --install insula charts/insula -f values.yaml` takes. `domain` and "
        "`images.insula.repository` must be set; unknown fields are refused.",
        Values,
    ),
}


class _Plain(yaml.SafeDumper):
    """YAML without anchors, with lists indented as people write them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def generated() -> Mapping[str, str]:
    """Return the text of every generated file by its path below the repository's root."""
    files = {
        "charts/insula/crds/tenants.yaml": _crd(tenant_crd()),
        "charts/insula/crds/plans.yaml": _crd(plan_crd()),
        "charts/insula/values.schema.json": json.dumps(helm(Values), indent=2, ensure_ascii=False) + "\n",
    }
    return files | {f"docs/reference/{name}.md": page.to_markdown() for name, page in _PAGES.items()}


def outdated(root: Path) -> list[str]:
    """Return the paths of generated files that differ from what the models say, or are missing."""
    return [
        path
        for path, text in generated().items()
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text
    ]


def write(root: Path) -> list[str]:
    """Write the generated files that differ and return their paths."""
    paths = outdated(root)
    files = generated()
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(files[path], encoding="utf-8")
    return paths


def _crd(manifest: Manifest) -> str:
    return _NOTICE + yaml.dump(manifest, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=118)


def main(arguments: Sequence[str]) -> int:
    """Return the exit code: 1 if `--check` found outdated files."""
    roots = [Path(argument) for argument in arguments if argument != "--check"]
    root = roots[0] if roots else Path.cwd()
    if "--check" in arguments:
        paths = outdated(root)
        for path in paths:
            print(f"outdated: {path} → run `python -m insula.contract.generate`", file=sys.stderr)
        return 1 if paths else 0
    for path in write(root):
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
