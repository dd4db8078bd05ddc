"""Makes the package `bench` importable: it stands beside `tests`, and is not installed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
