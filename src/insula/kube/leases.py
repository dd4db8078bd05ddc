"""One leader at a time by a Lease, and a fence: a process that may have lost it writes nothing more."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog

from insula.domain import times
from insula.domain.errors import ConflictError, InsulaError
from insula.domain.manifests import Manifest, ObjectRef
from insula.kube import kinds
from insula.kube.client import Client

_log = structlog.get_logger(__name__)


class LeaseLostError(InsulaError):
    """Another process may lead by now: this one stops."""


@dataclass(frozen=True)
class Timing:
    """The Lease's times in seconds.

    A leader that could not renew for `renew_deadline_s` stops writing; others wait `duration_s` since they last saw
    it renewed. What lies between is for writes under way: they are cut off `DRIFT` before that time is over.

    A leader that vanished is followed by the next one after `duration_s` and up to two `retry_s`: in less than 10 s.
    """

    duration_s: int = 7
    renew_deadline_s: float = 5.0
    retry_s: float = 1.0


DEFAULT_TIMING: Final = Timing()
DRIFT: Final = 0.05  # how unevenly two machines' clocks may run, as a share of the time that passes


class Elector:
    """Strives for one Lease and keeps it.

    Args:
        client: An unfenced client.
        namespace: Where the Lease lives.
        name: The Lease's name.
        identity: Who we are; no two processes may share it.
        timing: See `Timing`.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        client: Client,
        *,
        namespace: str,
        name: str,
        identity: str,
        timing: Timing = DEFAULT_TIMING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._ref = ObjectRef(kinds.LEASE.api_version, kinds.LEASE.kind, namespace, name)
        self._identity = identity
        self._timing = timing
        self._clock = clock
        self._lease: Manifest | None = None
        self._seen_spec: Manifest = {}
        self._seen_at = clock()
        self._renewed_at: float | None = None  # when the last successful renewal was *sent*
        self._is_cut_off = False
        self.asked_at = clock()  # when the API server last answered us

    @property
    def leads(self) -> bool:
        """Say whether we hold the Lease beyond doubt."""
        return self._rest_s() > 0

    def may_write(self) -> float:
        """Fence: return for how many seconds a write that begins now may take.

        Raises:
            LeaseLostError: We do not lead, or are not sure any more.
        """
        if self._renewed_at is None or not self.leads:
            raise LeaseLostError(f"{self._identity} does not hold the Lease {self._ref.name}: nothing is written")
        return self._renewed_at + self._timing.duration_s * (1 - DRIFT) - self._clock()

    async def acquire(self) -> None:
        """Return once we lead, however long that takes."""
        held = await self._try()
        while not held:
            await asyncio.sleep(self._timing.retry_s)
            held = await self._try()
        _log.info("lease_acquired", lease=self._ref.name, identity=self._identity)

    async def keep(self) -> None:
        """Renew until we lose.

        Raises:
            LeaseLostError: We lost it.
        """
        try:
            while True:
                async with asyncio.timeout(self._rest_s()):
                    await self._renew()
        except TimeoutError:
            deadline_s = self._timing.renew_deadline_s
            raise LeaseLostError(f"the Lease {self._ref.name} could not be renewed for {deadline_s} s") from None

    async def _renew(self) -> None:
        """Return once the Lease is renewed."""
        held = False
        while not held:
            await asyncio.sleep(self._timing.retry_s)
            held = await self._try()
            if not held and self._holder() not in ("", self._identity):
                self._renewed_at = None
                raise LeaseLostError(f"{self._holder()} took the Lease {self._ref.name}")

    def _rest_s(self) -> float:
        """Return for how many seconds we lead without another renewal."""
        return self._renewed_at + self._timing.renew_deadline_s - self._clock() if self._renewed_at is not None else 0.0

    async def release(self) -> None:
        """Give the Lease up, so that the next one need not wait; the fence falls first."""
        held, self._renewed_at = self._renewed_at is not None, None
        if not held or self._lease is None:
            return
        try:
            async with asyncio.timeout(self._timing.retry_s):
                await self._write({"holderIdentity": "", "leaseDurationSeconds": 1})
        except (InsulaError, TimeoutError) as error:
            _log.warning("lease_not_released", error=str(error))

    async def _try(self) -> bool:
        """Try once to get or to renew the Lease; no failure leaves this."""
        sent_at = self._clock()
        try:
            async with asyncio.timeout(self._timing.renew_deadline_s / 2):
                held = await self._once()
        except ConflictError:
            return False  # someone else wrote it first: look again
        except (InsulaError, TimeoutError) as error:
            if not self._is_cut_off:  # once an outage: a stand-by may wait for hours
                _log.warning("lease_unreachable", lease=self._ref.name, error=str(error) or "no answer in time")
            self._is_cut_off = True
            return False
        self._is_cut_off, self.asked_at = False, self._clock()
        if held:
            self._renewed_at = sent_at
        return held

    async def _once(self) -> bool:
        self._lease = await self._client.find(self._ref)
        if self._lease is None:
            manifest = {
                "apiVersion": self._ref.api_version,
                "kind": self._ref.kind,
                "metadata": {"name": self._ref.name, "namespace": self._ref.namespace},
                "spec": self._claim(transitions=0),
            }
            self._lease = await self._client.create(manifest)
            return True
        spec = self._lease.get("spec") or {}
        if spec != self._seen_spec:
            self._seen_spec, self._seen_at = spec, self._clock()
        ours = self._holder() == self._identity
        if not ours and self._holder() and self._clock() - self._seen_at < spec.get("leaseDurationSeconds", 0):
            return False
        await self._write(self._claim(transitions=spec.get("leaseTransitions", 0) + (0 if ours else 1), renewal=ours))
        return True

    def _holder(self) -> str:
        return str(((self._lease or {}).get("spec") or {}).get("holderIdentity") or "")

    def _claim(self, *, transitions: int, renewal: bool = False) -> Manifest:
        now = times.written_precisely(datetime.now(UTC))
        claim = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._timing.duration_s,
            "renewTime": now,
            "leaseTransitions": transitions,
        }
        return claim if renewal else {**claim, "acquireTime": now}

    async def _write(self, spec: Manifest) -> None:
        """Write the Lease, unless another wrote it since we read it."""
        version = (self._lease or {"metadata": {}})["metadata"].get("resourceVersion")
        patch = {"metadata": {"resourceVersion": version}, "spec": spec}
        self._lease = await self._client.merge_patch(self._ref, patch)
