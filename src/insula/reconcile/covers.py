"""Whether a live object already is what was rendered, so that nothing need be sent.

What others added and what the API server filled in does not count; what is rendered must be there with that value.
A field that is no longer rendered is seen by the hash that every rendered object carries as an annotation.
"""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from insula.domain.manifests import Manifest

# Lists that the API server merges by these keys; all others are compared as a whole, in their order.
MERGE_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "ports": ("containerPort", "port", "protocol"),
}
# Fields whose values are quantities: "1000m" and "1" are the same.
QUANTITIES: Final = frozenset({"requests", "limits", "hard", "default", "defaultRequest"})
QUANTITY_FIELDS: Final = frozenset({"sizeLimit"})

_QUANTITY: Final = re.compile(r"([+-]?[0-9.]+)(?:([eE][+-]?[0-9]+)|([KMGTPE]i|[numkMGTPE]))?")
_FACTORS: Final = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "k": Fraction(1000),
    **{unit: Fraction(1000**power) for power, unit in enumerate("MGTPE", start=2)},
    **{f"{unit}i": Fraction(1024**power) for power, unit in enumerate("KMGTPE", start=1)},
}


def covers(live: Manifest, desired: Manifest) -> bool:
    """Say whether every rendered field has the rendered value in the live object."""
    return _covers(live, desired, field="")


def quantity(text: str) -> Fraction | None:
    """Return the amount that a Kubernetes quantity means, None if it is not one."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return None
    number, exponent, unit = match.groups()
    try:
        amount = Fraction(number + (exponent or ""))
    except ValueError:  # "1.2.3"
        return None
    return amount * (_FACTORS[unit] if unit else 1)


def _covers(live: Any, desired: Any, *, field: str) -> bool:
    if live == desired or (live is None and _is_nothing(desired)):
        return True
    if isinstance(desired, Mapping):
        return isinstance(live, Mapping) and all(
            _covers(live.get(key), value, field=field if field in QUANTITIES else key) for key, value in desired.items()
        )
    if isinstance(desired, Sequence) and not isinstance(desired, str):
        return isinstance(live, Sequence) and not isinstance(live, str) and _covers_list(live, desired, field=field)
    if field in QUANTITIES or field in QUANTITY_FIELDS:
        amount = quantity(str(desired))
        return amount is not None and amount == quantity(str(live))
    return False


def _covers_list(live: Sequence[Any], desired: Sequence[Any], *, field: str) -> bool:
    keys = MERGE_KEYS.get(field)
    if keys is None or not all(isinstance(item, Mapping) for item in (*live, *desired)):
        return len(live) == len(desired) and all(
            _covers(one, other, field=field) for one, other in zip(live, desired, strict=True)
        )
    found = {_identity(item, keys): item for item in live}
    return all(_covers(found.get(_identity(item, keys)), item, field="") for item in desired)


def _identity(item: Mapping[str, Any], keys: Sequence[str]) -> tuple[Any, ...]:
    # The API server fills in TCP, and takes it for a part of a port's identity.
    return tuple(item.get(key, "TCP" if key == "protocol" else None) for key in keys)


def _is_nothing(value: Any) -> bool:
    """Say whether a value may be missing in the live object: the API server drops what is empty."""
    return value is None or (isinstance(value, Mapping | Sequence) and not value)
