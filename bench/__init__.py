"""Measurements of Insula: each module prints its figures with n, spread and what limited them."""

import sys
from pathlib import Path

# The API server of the tests is measured here as well, and so are their hands that play the controllers.
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
