"""Proves a home's walls: tries what must not work, from where it must not work, with no help of the operator's."""

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from insula.contract import values
from insula.domain import names, probe_plan, probes
from insula.domain.errors import InsulaError, NotFoundError, cap
from insula.domain.manifests import Manifest, ObjectRef, reference
from insula.domain.platform import Platform
from insula.domain.probes import Position, Probe, Result, Verdict
from insula.render import probes as rendering
from insula.services import diagnosis, rehearsing, surroundings
from insula.services.rehearsing import Judge

# Not ours as the operator counts: it would prune a Job of its own making that it does not render.
MADE_BY: Final = "insula-verify"
FORGOTTEN_S: Final = 600  # after this time Kubernetes removes a Job whose maker was killed
PATIENCE_S: Final = 120.0
POLL_S: Final = 0.5
ENDED: Final = ("Succeeded", "Failed")


class Cluster(Judge, Protocol):
    """What verifying needs from Kubernetes. Every method may raise an InsulaError."""

    async def create(self, manifest: Manifest) -> Manifest:
        """Create an object."""

    async def delete(self, ref: ObjectRef) -> bool:
        """Delete an object and say whether it was there."""


@dataclass(frozen=True)
class Report:
    """What the probes of one home came to."""

    tenant: str
    results: tuple[Result, ...]

    def paths(self, verdict: Verdict) -> list[str]:
        """Return the paths of a verdict, in words."""
        return [each.probe.path for each in self.results if each.verdict is verdict]


async def read_platform(cluster: Cluster) -> Platform:
    """Return the provider's settings, as the chart wrote them down for the operator.

    Raises:
        NotFoundError: There are none: Insula is not installed, or this person may not read its ConfigMap.
    """
    maps = await cluster.list("v1", "ConfigMap", labels=diagnosis.OURS)
    texts = [each["data"][diagnosis.PLATFORM_KEY] for each in maps if diagnosis.PLATFORM_KEY in each.get("data", {})]
    if not texts:
        raise NotFoundError("the settings of Insula were not found in this cluster", remedy="`insula doctor` says more")
    return values.platform_from_yaml(texts[0])


async def homes(cluster: Cluster) -> dict[str, str]:
    """Return the homes that have a Tenant, and their identities."""
    labels = {names.LABEL_MANAGED_BY: names.MANAGED_BY}
    found = {}
    for each in await cluster.list("v1", "Namespace", labels=labels):
        own, noted = each["metadata"].get("labels", {}), each["metadata"].get("annotations", {})
        is_left = each["metadata"].get("deletionTimestamp") or names.ANNOTATION_RETAINED_SINCE in noted
        if names.LABEL_TENANT_ID in own and not is_left:
            found[str(own.get(names.LABEL_TENANT, ""))] = str(own[names.LABEL_TENANT_ID])
    return found


async def verify(
    cluster: Cluster,
    tenant: str,
    known: Mapping[str, str],
    platform: Platform,
    *,
    tell: Callable[[str], None] = lambda _text: None,
    patience_s: float = PATIENCE_S,
    poll_s: float = POLL_S,
) -> Report:
    """Try the walls of one home.

    Args:
        cluster: With the rights of the person who asks.
        tenant: The home.
        known: All homes and their identities; see `homes`.
        platform: The provider's settings.
        tell: Takes a line of what is being done.
        patience_s: How long the probe pods may take, in seconds.
        poll_s: How often they are looked at.

    Raises:
        NotFoundError: There is no such home.
    """
    if tenant not in known:
        raise NotFoundError(f"there is no home of a tenant {tenant!r}", remedy="`insula tenant list` shows them")
    around = await surroundings.look(cluster, tenant, known, platform)
    # Before the Jobs: they need the quota's room, and what is only rehearsed needs it as well.
    tell(f"{tenant}: asking the API server what it would let in")
    results = await rehearsing.rehearse(cluster, tenant, [each.name for each in around.neighbours], platform)
    planned = probe_plan.plan(around)
    tell(f"{tenant}: trying {len(planned)} paths from inside")
    runs = [
        _Run(cluster, tenant, platform, position, planned, patience_s=patience_s, poll_s=poll_s).results()
        for position in probes.WITHIN
    ]
    for found in await asyncio.gather(*runs):
        results += found
    return Report(tenant, tuple(results))


class _Run:
    """One Job of probes, from its making to its removal."""

    def __init__(
        self,
        cluster: Cluster,
        tenant: str,
        platform: Platform,
        position: Position,
        planned: Sequence[Probe],
        *,
        patience_s: float,
        poll_s: float,
    ) -> None:
        self._cluster = cluster
        self._patience_s = patience_s
        self._poll_s = poll_s
        self._last = "it was not made"
        self._probes = probes.in_order(each for each in planned if each.position is position)
        self._job = _once(rendering.job(tenant, platform, position, self._probes, purpose=MADE_BY))

    async def results(self) -> list[Result]:
        """Run the Job and return what it saw; where it could not run, nothing was tried, and why."""
        try:
            await self._cluster.create(self._job)
            try:
                seen = await self._seen()
            finally:
                await self._cluster.delete(reference(self._job))
        except InsulaError as error:
            return [Result(each, probes.NOT_TRIED, cap(error.message)) for each in self._probes]
        except TimeoutError:
            why = f"the probe pod did not end within {self._patience_s:.0f} s: {self._last}"
            return [Result(each, probes.NOT_TRIED, why) for each in self._probes]
        return [Result(each, word) for each, word in zip(self._probes, seen, strict=True)]

    async def _seen(self) -> list[str]:
        metadata = self._job["metadata"]
        async with asyncio.timeout(self._patience_s):
            while True:
                labels = {"batch.kubernetes.io/job-name": metadata["name"]}
                for pod in await self._cluster.list("v1", "Pod", namespace=metadata["namespace"], labels=labels):
                    status = pod.get("status", {})
                    self._last = f"{status.get('phase')}, {_obstacle(status)}"
                    if status.get("phase") in ENDED:
                        return _words(status, len(self._probes))
                await asyncio.sleep(self._poll_s)


def _once(job: Manifest) -> Manifest:
    """Make of the operator's Job one of a person's: with a name of its own, that is gone one way or another."""
    metadata = job["metadata"]
    labels = metadata["labels"] | {names.LABEL_MANAGED_BY: MADE_BY}
    name = f"{metadata['name']}-{secrets.token_hex(3)}"
    spec = job["spec"] | {"backoffLimit": 0, "ttlSecondsAfterFinished": FORGOTTEN_S}
    return job | {"metadata": metadata | {"name": name, "labels": labels}, "spec": spec}


def _words(status: Mapping[str, Any], count: int) -> list[str]:
    """Return what a pod saw.

    Raises:
        NotFoundError: It said nothing of use.
    """
    containers = status.get("containerStatuses") or ()
    text = next((each["state"]["terminated"].get("message", "") for each in containers if _ended(each)), "")
    try:
        said = json.loads(text)
    except ValueError:
        said = {}
    seen = said.get("seen", []) if isinstance(said, dict) else []
    if len(seen) != count:
        why = said.get("error") if isinstance(said, dict) else ""
        raise NotFoundError(f"the probe pod said nothing of use: {why or cap(text) or status.get('message', '')}")
    return [str(each) for each in seen]


def _ended(container: Mapping[str, Any]) -> bool:
    return bool(container.get("state", {}).get("terminated"))


def _obstacle(status: Mapping[str, Any]) -> str:
    """Return what keeps a pod from ending, in Kubernetes' words."""
    for container in status.get("containerStatuses") or ():
        waiting = container.get("state", {}).get("waiting")
        if waiting:
            return cap(f"{waiting.get('reason', '')} {waiting.get('message', '')}".strip())
    for each in status.get("conditions") or ():
        if each.get("status") == "False" and each.get("message"):
            return cap(str(each["message"]))
    return "no reason given"
