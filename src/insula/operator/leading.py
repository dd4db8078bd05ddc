"""What the leader does: follows the cluster, and has every home looked at that changed."""

import asyncio
from collections.abc import Awaitable, Iterator
from datetime import UTC, datetime
from typing import Final

import aiohttp
import structlog

from insula.contract.plans import pace_of
from insula.domain.errors import InsulaError
from insula.domain.manifests import Manifest, reference
from insula.kube import caches, kinds
from insula.kube.client import Client
from insula.kube.cluster import Cluster, Source
from insula.kube.kinds import Kind
from insula.kube.leases import LeaseLostError
from insula.kube.watching import SILENCE_S
from insula.ledger.client import LedgerClient
from insula.operator import workers
from insula.operator.allowances import Allowances
from insula.operator.metrics import Metrics
from insula.operator.news import News
from insula.operator.queue import KeyedQueue
from insula.operator.settings import Settings
from insula.reconcile.model import OWNED_KINDS
from insula.render.stack import stack
from insula.services import plan_reports
from insula.services.acting import Actor
from insula.services.braking import Brake
from insula.services.observing import Observer
from insula.services.reconciling import Reconciler
from insula.services.rolling import Roster
from insula.services.signing import Signer

KEYS_REFRESH_S: Final = 60.0  # how soon a deleted ConfigMap of verify keys is back, and a rotated key in force
KEYS_RETRY_S: Final = 1.0
PLAN_REPORT_S: Final = 1.0  # how often, at most, a Plan's status is written
STALL_S: Final = 60.0  # a queue in which homes wait this long while none is finished does not move
DEATH_S: Final = 600.0  # … and after this long only a restart can help

_log = structlog.get_logger(__name__)


class Leader:
    """Everything that the leading operator holds.

    Args:
        client: Its writes are fenced.
        settings: See `Settings`.
        metrics: Where to count.
    """

    def __init__(self, client: Client, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        sources = [
            Source(Kind(owned.api_version, owned.kind, owned.plural, owned.namespaced), optional=owned.optional)
            for owned in OWNED_KINDS
        ]
        self.queue = KeyedQueue()
        self.cluster = Cluster(client, sources, instance=settings.identity, lost=metrics.count_lost)
        self.cluster.on_change(self._changed)
        self._signer = Signer(self.cluster, settings.namespace)
        limits = settings.platform.brake
        self.brake = Brake(self.cluster, limits.homes, limits.window_s, now=lambda: datetime.now(UTC))
        self._roster = Roster(lambda plan: pace_of(self.cluster.plan(plan)), wake=self.queue.add)
        self._allowances = Allowances(self.cluster, wake=self.queue.add)
        observer = Observer(
            self.cluster,
            settings.platform,
            brake=self.brake,
            may_restart=self._roster.may_restart,
            used_s=self._allowances.used_s,
            wake=self.queue.add,
        )
        actor = Actor(
            self.cluster,
            self._signer.tenant_key,
            made_secret=observer.keep_secret,
            lost_secret=observer.doubt_secrets,
        )
        self._observer = observer
        self._reconciler = Reconciler(
            observer,
            actor,
            settings.platform,
            render=stack,
            now=lambda: datetime.now(UTC),
            noted=self._roster.note,
        )
        self._working = False
        self._news = News()

    async def lead(self, stop: asyncio.Event) -> None:
        """Work until told to stop; looks under way are then finished.

        Raises:
            LeaseLostError: Somebody else leads.
        """
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
            ledger = LedgerClient(session, self._settings.ledger) if self._settings.ledger else None
            doings = (self.cluster.follow(), self._keep_keys(), self._keep_reporting())
            background = [tasks.create_task(doing) for doing in doings]
            await first(self._start(ledger), stop.wait())
            if ledger is not None:
                background.append(tasks.create_task(self._allowances.follow(ledger)))
            if not stop.is_set():
                await self._work(stop)
            self.queue.close()
            for task in background:
                task.cancel()

    def unready(self) -> list[str]:
        """Say in words what keeps us from doing our work."""
        return list(self._faults(STALL_S, 2 * SILENCE_S))

    def unhealthy(self) -> list[str]:
        """Say in words what only a restart can mend."""
        stalled_s = self.queue.stalled_s()
        return [f"no home was finished for {stalled_s:.0f} s while others wait"] if stalled_s > DEATH_S else []

    async def _start(self, ledger: LedgerClient | None) -> None:
        await self.cluster.synced()
        await self._refresh_keys()
        await self._observer.survey()
        if ledger is not None:
            await self._allowances.once(ledger)  # before the first looks: they would take back what was said
        for tenant in self.cluster.tenants():
            self._roster.expect(tenant["metadata"]["name"], str(tenant.get("spec", {}).get("plan", "")))
        for each in (*self.cluster.plans(), *self.cluster.tenants()):
            self._is_news(each)
        self._working = True
        for name in {*(tenant["metadata"]["name"] for tenant in self.cluster.tenants()), *self.cluster.homes()}:
            self.queue.add(name)
        _log.info("leading", tenants=self.cluster.sizes()["tenants"], workers=self._settings.workers)

    async def _work(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            working = [
                tasks.create_task(workers.work(self.queue, self._reconciler.reconcile, self._metrics.count_look))
                for _ in range(self._settings.workers)
            ]
            await stop.wait()
            self.queue.close()
            _done, late = await asyncio.wait(working, timeout=self._settings.drain_s)
            for task in late:
                task.cancel()

    async def _keep_keys(self) -> None:
        await self.cluster.synced()
        while True:
            await asyncio.sleep(KEYS_REFRESH_S)
            await self._refresh_keys()

    async def _keep_reporting(self) -> None:
        while True:
            await asyncio.sleep(PLAN_REPORT_S)
            if not self._working:
                continue
            try:
                await plan_reports.write(self.cluster, self._roster.counts, now=datetime.now(UTC))
            except LeaseLostError:
                raise
            except InsulaError as error:
                _log.warning("plan_status_not_written", error=str(error))

    async def _refresh_keys(self) -> None:
        while True:
            try:
                return await self._signer.refresh()
            except LeaseLostError:
                raise
            except InsulaError as error:
                _log.warning("signing_keys_not_read", error=str(error))
                await asyncio.sleep(KEYS_RETRY_S)

    def _changed(self, manifest: Manifest) -> None:
        if not self._working:
            return  # all are looked at once the caches are full
        for name in self._concerned(manifest):
            self.queue.add(name)

    def _concerned(self, manifest: Manifest) -> Iterator[str]:
        name = manifest["metadata"]["name"]
        if manifest["kind"] == kinds.TENANT.kind:
            if self._is_news(manifest):
                yield name
        elif manifest["kind"] == kinds.PLAN.kind:
            if not self._is_news(manifest):
                return
            for tenant in self.cluster.tenants():
                if tenant.get("spec", {}).get("plan") == name:
                    yield tenant["metadata"]["name"]
        elif manifest["kind"] == kinds.LEASE.kind and not self._is_news_of_lease(manifest):
            return
        elif tenant_name := caches.tenant_of(manifest):
            yield tenant_name

    def _is_news_of_lease(self, manifest: Manifest) -> bool:
        return self._news.take(manifest, is_gone=not self.cluster.holds(reference(manifest)))

    def _is_news(self, manifest: Manifest) -> bool:
        name = manifest["metadata"]["name"]
        read = self.cluster.plan if manifest["kind"] == kinds.PLAN.kind else self.cluster.tenant
        return self._news.take(manifest, is_gone=read(name) is None)

    def _faults(self, stall_s: float, idle_s: float) -> Iterator[str]:
        if unsynced := self.cluster.unsynced():
            yield f"not listed yet: {', '.join(unsynced)}"
        elif not self._working:
            yield "the signing keys are not read yet"
        for plural, silent_s in self.cluster.idle_s().items():
            if silent_s > idle_s:
                yield f"the watch of {plural} shows no sign of life for {silent_s:.0f} s"
        if self.queue.stalled_s() > stall_s:
            yield f"no home was finished for {self.queue.stalled_s():.0f} s while {self.queue.depth} wait"


async def first(*doings: Awaitable[object]) -> None:
    """Return when the first of several things is done; the others are cancelled, a failure is raised."""
    tasks = [asyncio.ensure_future(doing) for doing in doings]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
