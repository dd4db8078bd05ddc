"""Where kube-apiserver and etcd come from: a directory that the environment names, or the sandbox's build cache."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from insula.sandbox.builds import catalogue
from insula.sandbox.builds.graph import Graph
from insula.sandbox.builds.store import Store
from insula.sandbox.progress import PlainProgress

VARIABLE = "INSULA_API_BINARIES"


async def find() -> Mapping[str, Path]:
    """Return the two programs by name; what the cache lacks is built, which takes minutes once."""
    if named := os.environ.get(VARIABLE):
        return {name: Path(named) / name for name in ("etcd", "kube-apiserver")}
    graph = Graph(Store.default(), PlainProgress(sys.stderr))
    results = await graph.run((catalogue.etcd, catalogue.kubernetes))
    return {
        "etcd": results[catalogue.etcd.name] / "bin" / "etcd",
        "kube-apiserver": results[catalogue.kubernetes.name] / "bin" / "kube-apiserver",
    }
