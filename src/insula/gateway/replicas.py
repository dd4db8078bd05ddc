"""The gateway's replicas: which of them gives the turns of a contention group, and the way there.

Fairness needs one queue for each group. Every replica ranks all of them for a group in the same way (rendezvous
hashing), so they agree without speaking, and when one comes or goes only its own groups move.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter

from insula.domain.keys import KEY_HEADER
from insula.domain.manifests import Manifest
from insula.gateway import endpoints, forwarding, passes
from insula.gateway.errors import NotReadyError, UpstreamError
from insula.gateway.prompts import PRIORITY_HEADER, Prompt
from insula.gateway.records import Exchange, Outcome

# Says that a replica sends this, and under which request id; believed only from a replica's address.
HOP_HEADER: Final = "X-Insula-Hop"
# What the other replica needs to judge for itself. A pass is true here: with a false one nothing comes so far.
_PASSED_ON: Final = ("Authorization", KEY_HEADER, PRIORITY_HEADER, passes.HEADER)
# A replica whose node is lost stays in the Service for most of a minute, and each try to reach it takes 3 s.
AVOIDED_S: Final = 5.0


@dataclass
class Replicas:
    """What one replica knows of all; as a watch's feed it is told of the Service's EndpointSlices.

    Attributes:
        own: This replica's address; "" where there is one alone.
        port: Where all of them listen for homes.
    """

    own: str = ""
    port: int = 0
    _slices: dict[str, tuple[str, ...]] = field(default_factory=dict)  # slice → addresses that are ready
    _known: dict[str, tuple[str, ...]] = field(default_factory=dict)  # … and all, for who drains still sends

    def owner(self, group: str) -> str | None:
        """Return the "address:port" of the replica that gives a group's turns; None: this one, or nobody else."""
        ready = {address for addresses in self._slices.values() for address in addresses}
        if not self.own or not ready:
            return None
        first = max(ready, key=lambda address: _weight(group, address))
        if first == self.own:
            return None
        return endpoints.at(first, self.port)

    def is_one(self, address: str) -> bool:
        """Say whether a request from this address comes from a replica."""
        plain = endpoints.plain(address)
        return any(plain in addresses for addresses in self._known.values())

    def replace(self, manifests: Iterable[Manifest]) -> None:
        """Take the full list of slices."""
        self._slices.clear()
        self._known.clear()
        for manifest in manifests:
            self.put(manifest)

    def put(self, manifest: Manifest) -> None:
        """Take a slice that was added or changed."""
        name = manifest["metadata"]["name"]
        self._known[name] = tuple(address for address, _ in endpoints.addresses(manifest, ready=False))
        self._slices[name] = tuple(address for address, _ in endpoints.addresses(manifest, ready=True))

    def drop(self, manifest: Manifest) -> None:
        """Forget a slice."""
        self._slices.pop(manifest["metadata"]["name"], None)
        self._known.pop(manifest["metadata"]["name"], None)


class Relay:
    """Sends a prompt on to the replica whose turn it is to give turns.

    Args:
        replicas: Who there is.
        session: From `forwarding.open_session`.
        registry: Where the metrics are registered.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        replicas: Replicas,
        session: aiohttp.ClientSession,
        registry: CollectorRegistry,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._replicas = replicas
        self._session = session
        self._clock = clock
        self._avoided: dict[str, float] = {}  # replicas that could not be reached, and until when they are not tried
        self._hops = Counter(
            "insula_gateway_hops_total", "Prompts between replicas, by result.", ["result"], registry=registry
        )

    def hop(self, request: web.BaseRequest) -> str:
        """Return the id of a request that another replica sends; "": a client sends it, whatever it says."""
        said = request.headers.get(HOP_HEADER, "")
        return said[:64] if said and self._replicas.is_one(request.remote or "") else ""

    async def send(
        self, request: web.BaseRequest, exchange: Exchange, group: str, prompt: Prompt, *, limit_s: float
    ) -> web.StreamResponse | None:
        """Have the group's replica answer; None: this one is it, or that one cannot be reached.

        One hop, never two: for a moment two replicas may hold each other for the one.

        Raises:
            ClientGoneError: The client left; the other replica sees it leave.
        """
        owner = self._replicas.owner(group)
        if owner is None or self.hop(request) or self._clock() < self._avoided.get(owner, 0.0):
            return None
        headers = {HOP_HEADER: exchange.request_id, **_passed_on(request.headers)}
        try:
            answer = await forwarding.forward(
                request,
                body=prompt.body,
                backend=owner,
                path=request.raw_path,
                session=self._session,
                exchange=exchange,
                limit_s=limit_s,
                extra=headers,
            )
        except (NotReadyError, UpstreamError):
            # It went before its first byte. A prompt changes nothing, so it may be computed again.
            self._hops.labels("failed").inc()
            self._avoid(owner)
            return None
        self._hops.labels("sent").inc()
        exchange.handed_to = owner
        if exchange.outcome is Outcome.BROKEN_OFF:
            exchange.reason = f"the gateway's other replica: {exchange.reason}"
        return answer

    def _avoid(self, owner: str) -> None:
        now = self._clock()
        still = {replica: until for replica, until in self._avoided.items() if until > now}
        self._avoided = {**still, owner: now + AVOIDED_S}


def _passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what the other replica needs to judge for itself: the key among it."""
    return {name: headers[name] for name in _PASSED_ON if name in headers}


def _weight(group: str, address: str) -> bytes:
    return blake2b(f"{group}\0{address}".encode(), digest_size=8).digest()
