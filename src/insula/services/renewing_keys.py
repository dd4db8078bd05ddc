"""A person wants a new key for a home: ask for it, and wait until Home Assistant has it."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from insula.domain import names
from insula.domain.errors import UnavailableError
from insula.domain.key_rotation import Request
from insula.domain.situation import Memory
from insula.services import tenancy
from insula.services.tenancy import Cluster

# Times of two machines are compared nowhere else: a request is later than the one before by this at least.
STEP: Final = timedelta(seconds=1)


@dataclass(frozen=True)
class Rotation:
    """A new key that was asked for. `told` is the conversation's fingerprint from before: another one is set up."""

    tenant: str
    request: Request
    generation: int
    told: str


async def ask(cluster: Cluster, name: str, *, grace_s: int, now: datetime) -> Rotation:
    """Ask the operator for a new key.

    Args:
        cluster: Where the tenant lives.
        name: The tenant's name.
        grace_s: For how many seconds the old key still opens.
        now: The time, with a zone.

    Raises:
        NotFoundError: There is no such tenant.
        UnavailableError: The home has no key yet.
    """
    await tenancy.look(cluster, name)
    memory = await _remembered(cluster, name)
    last = Request.from_text(memory.key_rotated)
    asked = max(now, last.asked + STEP) if last else now
    request = Request(asked.astimezone(UTC), grace_s)
    patch = {"metadata": {"annotations": {names.ANNOTATION_ROTATE_KEY: request.to_text()}}}
    await cluster.merge_patch(tenancy.tenant_ref(name), patch)
    return Rotation(name, request, memory.key_generation + 1, memory.conversing)


async def wait(cluster: Cluster, rotation: Rotation, *, timeout_s: float, poll_s: float = tenancy.POLL_S) -> None:
    """Wait until the key is made and, where there is a conversation, Home Assistant talks with it.

    Raises:
        UnavailableError: It was not so within `timeout_s` seconds.
    """
    missing = "the operator has not taken note of it"
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                memory = await _remembered(cluster, rotation.tenant)
                if memory.key_rotated == rotation.request.to_text():
                    if not rotation.told or memory.conversing != rotation.told:
                        return
                    missing = "the key is made, but Home Assistant has not got it"
                await asyncio.sleep(poll_s)
    except TimeoutError as error:
        raise UnavailableError(
            f"{rotation.tenant}'s new key is not in use after {timeout_s:.0f} s: {missing}",
            remedy=f"`insula tenant show {rotation.tenant}` shows what it waits for",
        ) from error


async def _remembered(cluster: Cluster, name: str) -> Memory:
    namespace = await cluster.find(tenancy.namespace_ref(name))
    if namespace is None:
        raise UnavailableError(
            f"{name} has no key yet", remedy=f"`insula tenant wait {name}` shows how the home comes along"
        )
    return Memory.from_annotations(namespace["metadata"].get("annotations") or {})
