"""What a tenant's objects depend on besides the spec: the memory on its Namespace, and how far the home has come."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeAlias

from insula.domain import names
from insula.domain.gpu import GpuFailure
from insula.domain.key_rotation import Grace
from insula.domain.manifests import Manifest
from insula.domain.platform import Platform
from insula.domain.tenants import DeletionPolicy, Tenant


@dataclass(frozen=True)
class Walls:
    """What the last probes of a home's walls came to.

    `at` is an ISO time, empty: never. `open` names forbidden paths that were open, `shut` those without which a
    refusal proves nothing: the first few of each. `tried` counts all paths; 0: the probes gave no result.
    """

    at: str = ""
    tried: int = 0
    open: tuple[str, ...] = ()
    shut: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Return them as JSON, empty where nothing was tried yet."""
        found = {"at": self.at, "tried": self.tried, "open": list(self.open), "shut": list(self.shut)}
        return json.dumps({key: value for key, value in found.items() if value}) if self.at else ""

    @classmethod
    def from_text(cls, text: str) -> "Walls":
        """Read them back; what was spoilt by hand reads as if nothing was tried."""
        found = _json_object(text)
        tried = found.get("tried", 0)
        return cls(
            at=str(found.get("at", "")),
            tried=tried if isinstance(tried, int) else 0,
            open=_texts(found.get("open")),
            shut=_texts(found.get("shut")),
        )


@dataclass(frozen=True)
class Upgrade:
    """A change of Home Assistant's image that is under way or went wrong.

    Attributes:
        good: The image that ran before; empty: nothing is to be remembered.
        tried: The image that is tried. Empty while there is a good one: a person went back to that one.
        since: When its time began, ISO; empty while the home is suspended.
        failed: Why it was given up; empty: it was not.
    """

    good: str = ""
    tried: str = ""
    since: str = ""
    failed: str = ""

    @property
    def is_taken_back(self) -> bool:
        """Whether the good image runs again, over data that the other one may have changed."""
        return bool(self.failed) or (bool(self.good) and not self.tried)

    def to_annotation(self) -> str:
        """Return it as JSON, empty if there is nothing to remember."""
        return json.dumps(asdict(self), sort_keys=True) if self.good else ""

    @classmethod
    def from_annotation(cls, text: str) -> "Upgrade":
        """Read it back; what a person spoilt reads as nothing."""
        held = _json_object(text)
        return cls(**{each.name: str(held.get(each.name, "")) for each in fields(cls)}) if held.get("good") else cls()


@dataclass(frozen=True)
class Memory:
    """What the operator must remember about a home, kept in annotations of its Namespace: a status is never an input.

    `key_generation` counts from 1; `key_rotated` is the request for a new key that was honoured last. `pulled` maps a
    model's name to its digest in the volume `pulled_volume` (a UID, or a word where models come from images).
    `retained_since` is an ISO time, empty while the home has a Tenant; `held_since` likewise, empty unless the brake
    holds a home without one. `accepted_spec` is JSON, opaque here.
    """

    tenant_uid: str = ""
    claimed_volume: str = ""
    key_generation: int = 1
    conversing: str = ""
    agent: str = ""
    pulled_volume: str = ""
    pulled: Mapping[str, str] = field(default_factory=dict)
    accepted_spec: str = ""
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    retained_since: str = ""
    held_since: str = ""
    walls: Walls = field(default_factory=Walls)
    key_grace: Grace = field(default_factory=Grace)
    key_rotated: str = ""
    upgrade: Upgrade = Upgrade()
    gpu_failure: GpuFailure = field(default_factory=GpuFailure)

    def to_annotations(self) -> dict[str, str]:
        """Return the annotations that hold this memory; what is empty is left out."""
        pulled = json.dumps({"volume": self.pulled_volume, "models": dict(self.pulled)}, sort_keys=True)
        annotations = {
            names.ANNOTATION_TENANT_UID: self.tenant_uid,
            names.ANNOTATION_CLAIMED: self.claimed_volume,
            names.ANNOTATION_KEY_GENERATION: str(self.key_generation),
            names.ANNOTATION_KEY_GRACE: self.key_grace.to_text(),
            names.ANNOTATION_KEY_ROTATED: self.key_rotated,
            names.ANNOTATION_GPU_FAILURE: self.gpu_failure.to_text(),
            names.ANNOTATION_CONVERSING: self.conversing,
            names.ANNOTATION_AGENT: self.agent,
            names.ANNOTATION_PULLED: pulled if self.pulled_volume else "",
            names.ANNOTATION_UPGRADE: self.upgrade.to_annotation(),
            names.ANNOTATION_ACCEPTED_SPEC: self.accepted_spec,
            names.ANNOTATION_DELETION_POLICY: self.deletion_policy.value,
            names.ANNOTATION_RETAINED_SINCE: self.retained_since,
            names.ANNOTATION_HELD_SINCE: self.held_since,
            names.ANNOTATION_WALLS: self.walls.to_text(),
        }
        return {key: value for key, value in annotations.items() if value}

    @classmethod
    def from_annotations(cls, annotations: Mapping[str, str]) -> "Memory":
        """Read the memory back. What a person spoilt by hand reads as if it was never known."""
        pulled = _json_object(annotations.get(names.ANNOTATION_PULLED, ""))
        models = pulled.get("models")
        generation = annotations.get(names.ANNOTATION_KEY_GENERATION, "")
        policy = annotations.get(names.ANNOTATION_DELETION_POLICY, "")
        return cls(
            tenant_uid=annotations.get(names.ANNOTATION_TENANT_UID, ""),
            claimed_volume=annotations.get(names.ANNOTATION_CLAIMED, ""),
            key_generation=int(generation) if generation.isdecimal() else 1,
            key_grace=Grace.from_text(annotations.get(names.ANNOTATION_KEY_GRACE, "")),
            key_rotated=annotations.get(names.ANNOTATION_KEY_ROTATED, ""),
            gpu_failure=GpuFailure.from_text(annotations.get(names.ANNOTATION_GPU_FAILURE, "")),
            conversing=annotations.get(names.ANNOTATION_CONVERSING, ""),
            agent=annotations.get(names.ANNOTATION_AGENT, ""),
            pulled_volume=str(pulled.get("volume", "")),
            pulled={str(name): str(digest) for name, digest in models.items()} if isinstance(models, dict) else {},
            upgrade=Upgrade.from_annotation(annotations.get(names.ANNOTATION_UPGRADE, "")),
            accepted_spec=annotations.get(names.ANNOTATION_ACCEPTED_SPEC, ""),
            # A policy that cannot be read keeps the data: the other reading could not be taken back.
            deletion_policy=DeletionPolicy.DELETE if policy == DeletionPolicy.DELETE else DeletionPolicy.RETAIN,
            retained_since=annotations.get(names.ANNOTATION_RETAINED_SINCE, ""),
            held_since=annotations.get(names.ANNOTATION_HELD_SINCE, ""),
            walls=Walls.from_text(annotations.get(names.ANNOTATION_WALLS, "")),
        )


@dataclass(frozen=True)
class Situation:
    """One home at one moment: what `render.stack` turns into objects.

    Attributes:
        name: The tenant's name.
        tenant_id: The home's identity.
        memory: What is written on the Namespace.
        tenant: The spec in force; None: the home has no Tenant any more, and only its Namespace is rendered.
        route: Whether the Ingress belongs into the stack now.
        pull: UID of the volume that the pull Job fills; empty: no such Job now.
        converse: Fingerprint of what the converse Job sets up; empty: no such Job now.
        probe: What the probe Jobs are for; empty: no such Jobs now.
        neighbour: The other tenant whose home they try; empty: none.
        asleep: Whether Ollama has no pod until somebody asks.
        obstacle: What keeps Ollama from waking, for whoever waits; empty: nothing.
        moving: Whether a pod is on a node that does not answer: it counts until it is gone, beside its successor.
    """

    name: str
    tenant_id: str
    memory: Memory
    tenant: Tenant | None = None
    route: bool = False
    pull: str = ""
    converse: str = ""
    probe: str = ""
    neighbour: str = ""
    moving: bool = False
    asleep: bool = False
    obstacle: str = ""


@dataclass(frozen=True)
class Stack:
    """A home's objects in the order of their making.

    `ground` is what must stand before the operator can make the Secrets (namespace, quotas, walls, accounts);
    `house` is what mounts them.
    """

    ground: tuple[Manifest, ...] = ()
    house: tuple[Manifest, ...] = ()


Renderer: TypeAlias = Callable[[Situation, Platform], Stack]


def _json_object(text: str) -> dict[str, Any]:
    """Return the JSON object that `text` holds, or an empty one."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> tuple[str, ...]:
    """Return the texts of a JSON list, none where it is no list."""
    return tuple(str(each) for each in value) if isinstance(value, list) else ()
