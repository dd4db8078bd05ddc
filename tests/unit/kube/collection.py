"""Plays a watch that lists a collection."""

from collections.abc import Iterable

from insula.domain.manifests import Manifest
from insula.kube.caches import Cache


def tell_all(cache: Cache, items: Iterable[Manifest], resource_version: str) -> None:
    cache.begin(resource_version)
    for item in items:
        cache.upsert(item)
    cache.end()
