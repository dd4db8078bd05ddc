"""The parts of a gateway that belong together, put together."""

import time
import uuid
from pathlib import Path

import aiohttp
from prometheus_client import CollectorRegistry, Gauge

from insula.gateway import admin
from insula.gateway.activities import Activities
from insula.gateway.batches import Batches, KeptBatches, NoBatches
from insula.gateway.handing_in import HandingIn
from insula.gateway.keyring import Keyring
from insula.gateway.metering import Meter, Metered, Unmetered
from insula.gateway.passes import Pass
from insula.gateway.replicas import Replicas
from insula.gateway.running import Runner
from insula.gateway.takings import Takings
from insula.gateway.tenants import WatchedDirectory
from insula.gateway.watches import Watches
from insula.ledger.client import LedgerClient


class Known:
    """What the gateway knows of keys, homes and its replicas, and whether that is enough to serve.

    Args:
        keys: The file of verify keys.
        own_address: Where the other replicas reach this one; "": there are none.
        port: Where all replicas listen for homes.
    """

    def __init__(self, *, keys: Path, own_address: str, port: int) -> None:
        self.registry = CollectorRegistry()
        self.activities, self.keyring = Activities(), Keyring(keys)
        self.directory = WatchedDirectory(on_change=self.activities.tell)
        self.replicas = Replicas(own_address, port)
        self.watches = Watches(self.directory, self.replicas, self.activities)
        self.readiness = admin.Readiness(
            {
                "tenants and their Ollamas are known": lambda: self.directory.synced,
                "the watches advance": lambda: not self.watches.stale,
                "verify keys are loaded": lambda: self.keyring.loaded,
            }
        )
        tenants = Gauge("insula_gateway_tenants", "Tenants known.", registry=self.registry)
        tenants.set_function(lambda: self.directory.size)


class Accounting:
    """What needs the ledger: counting, and batches. Without one, nothing is counted and no batch is kept.

    Args:
        url: The ledger's; "": there is none.
        session: From `forwarding.open_session`.
        registry: Where the metrics are registered.
        port: Where this gateway listens for homes.
    """

    def __init__(self, url: str, session: aiohttp.ClientSession, registry: CollectorRegistry, *, port: int) -> None:
        takings = Takings(writer=uuid.uuid4().hex)
        ledger, self.own = LedgerClient(session, url), Pass()
        self.is_on = bool(url)
        self.handing_in = HandingIn(takings, ledger, registry, time.monotonic, self.own.learn)
        self.runner = Runner(ledger, session, f"http://127.0.0.1:{port}", self.own, takings.writer)
        self.meter: Meter = Metered(takings) if self.is_on else Unmetered()
        self.batches: Batches = KeptBatches(ledger, self.runner.look) if self.is_on else NoBatches()
