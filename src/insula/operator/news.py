"""Tells what is news about an object that is written again and again: all but what the operator does not act upon.

That is the status of a Tenant or Plan, which it writes itself and never reads, and that a Lease was renewed.
"""

import orjson

from insula.domain.manifests import Manifest


class News:
    """Remembers in which state each object was last told of: a number for each."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str, str], int] = {}

    def take(self, manifest: Manifest, *, is_gone: bool = False) -> bool:
        """Say whether an object came, went or changed since it was last told of, status and renewal apart."""
        metadata = manifest["metadata"]
        key = (str(manifest["kind"]), str(metadata.get("namespace", "")), str(metadata["name"]))
        if is_gone:
            self._told.pop(key, None)
            return True
        # The generation counts the changes of the spec; a write of the status moves the resource version alone.
        lasting = {name: value for name, value in metadata.items() if name != "resourceVersion"}
        lasting["holder"] = (manifest.get("spec") or {}).get("holderIdentity")
        state = hash(orjson.dumps(lasting, option=orjson.OPT_SORT_KEYS))
        before, self._told[key] = self._told.get(key), state
        return before != state
