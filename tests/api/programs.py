"""Where kube-apiserver, etcd and helm come from: a directory that the environment names, or the cache of builds."""

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
    """Return the two servers by name; what the cache lacks is built, helm too, which takes minutes once."""
    if named := os.environ.get(VARIABLE):
        return {name: Path(named) / name for name in ("etcd", "kube-apiserver")}
    graph = Graph(Store.default(), PlainProgress(sys.stderr))
    results = await graph.run((catalogue.etcd, catalogue.kubernetes, catalogue.helm))
    return {
        "etcd": results[catalogue.etcd.name] / "bin" / "etcd",
        "kube-apiserver": results[catalogue.kubernetes.name] / "bin" / "kube-apiserver",
    }


def helm() -> Path:
    """Return helm, which `find` has built."""
    if named := os.environ.get(VARIABLE):
        return Path(named) / "helm"
    return Store.default().path(catalogue.helm) / "bin" / "helm"
