"""How to read EndpointSlices, and the addresses in them."""

from collections.abc import Iterator
from typing import Final

from insula.domain.manifests import Manifest

_MAPPED: Final = "::ffff:"  # an IPv4 address as a socket of both families shows it


def addresses(endpoint_slice: Manifest, *, ready: bool) -> Iterator[tuple[str, str]]:
    """Yield address and node of each pod behind a slice; only of those that are `ready`, or of all."""
    for endpoint in endpoint_slice.get("endpoints") or []:
        # Kubernetes: a missing `ready` is to be read as true.
        if ready and (endpoint.get("conditions") or {}).get("ready") is False:
            continue
        for address in endpoint.get("addresses", [])[:1]:
            yield address, endpoint.get("nodeName") or ""


def at(address: str, port: int) -> str:
    """Return "address:port" as a URL has it."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def plain(address: str) -> str:
    """Return an address as slices have it, for one that a socket shows."""
    return address.removeprefix(_MAPPED)
