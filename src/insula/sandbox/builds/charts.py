"""Charts of others that need a touch before Helm takes them."""

import shutil
from pathlib import Path

from insula.sandbox.builds.recipes import Recipe, Results
from insula.sandbox.builds.workshop import Workshop


def cert_manager(source: Recipe, version: str) -> Recipe:
    """Return the recipe of cert-manager's chart, which its releases assemble from the module's files.

    The chart's own file is a template with placeholders, and the CRDs lie beside the chart with labels
    that only Helm fills in; both become plain files here. The result is the chart's directory.
    """

    async def make(_workshop: Workshop, needs: Results, draft: Path) -> None:
        files = needs[source.name] / "deploy"
        shutil.copytree(files / "charts/cert-manager", draft, dirs_exist_ok=True)
        kept = ("apiVersion", "name", "description")
        lines = [
            line for line in (draft / "Chart.template.yaml").read_text().splitlines() if line.partition(":")[0] in kept
        ]
        (draft / "Chart.yaml").write_text("\n".join([*lines, f"version: {version}", f"appVersion: {version}"]) + "\n")
        (draft / "crds").mkdir()
        for crd in sorted((files / "crds").glob("crd-*.yaml")):
            text = "\n".join(line for line in crd.read_text().splitlines() if "{{" not in line)
            (draft / "crds" / crd.name).write_text(text.replace("  labels:\n", "", 1) + "\n")

    return Recipe("chart/cert-manager", (version, "1"), make, needs=(source,))
