"""Tells what is news about a Tenant or Plan: all but its status, which the operator writes itself and never reads."""

import orjson

from insula.domain.manifests import Manifest


class News:
    """Remembers in which state each object was last told of: a number for each."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], int] = {}

    def take(self, manifest: Manifest, *, is_gone: bool = False) -> bool:
        """Say whether an object came, went or changed in more than its status since it was last told of."""
        metadata = manifest["metadata"]
        key = (str(manifest["kind"]), str(metadata["name"]))
        if is_gone:
            self._told.pop(key, None)
            return True
        # The generation counts the changes of the spec; a write of the status moves the resource version alone.
        lasting = {name: value for name, value in metadata.items() if name != "resourceVersion"}
        state = hash(orjson.dumps(lasting, option=orjson.OPT_SORT_KEYS))
        before, self._told[key] = self._told.get(key), state
        return before != state
