"""One look at one home: observe, decide, carry out."""

import random
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog

from insula.domain.errors import ConflictError, InsulaError, UnavailableError
from insula.domain.platform import Platform
from insula.domain.situation import Renderer
from insula.kube.leases import LeaseLostError
from insula.reconcile.decide import decide
from insula.reconcile.model import EventWish, Observed, Turn
from insula.services.acting import Actor
from insula.services.observing import Observer

# Secrets are not watched: one that a person deleted is missed at the next look, whatever brings it.
RESYNC_S: Final = 3600.0

_log = structlog.get_logger(__name__)


class Reconciler:
    """Brings homes to what their Tenants say, one look at a time.

    Args:
        observer: Sees.
        actor: Acts.
        platform: The provider's settings.
        render: `render.stack.stack`.
        now: The time, with a zone.
        noted: Is told how each home stands in the queue of a change.
        resync_s: How often to look at a home that nothing is heard of, in seconds; each look is up to a half earlier.
    """

    def __init__(
        self,
        observer: Observer,
        actor: Actor,
        platform: Platform,
        *,
        render: Renderer,
        now: Callable[[], datetime],
        noted: Callable[[str, Turn | None], None] = lambda _name, _turn: None,
        resync_s: float = RESYNC_S,
    ) -> None:
        self._observer = observer
        self._actor = actor
        self._platform = platform
        self._render = render
        self._now = now
        self._noted = noted
        self._resync_s = resync_s
        self._told: dict[str, str] = {}  # the last failure that each tenant was told of

    async def reconcile(self, name: str) -> float | None:
        """Look at one home and do what is due.

        Returns:
            Seconds until the next look although nothing happens; `None`: no need.

        Raises:
            InsulaError: Something could not be done; look again after a while.
        """
        observed = await self._observer.observe(name)
        at = self._now()
        decision = decide(name, observed, self._platform, render=self._render, now=at)
        self._noted(name, decision.turn)
        if not decision.is_empty:
            _log.info(
                "carrying_out",
                tenant=name,
                applied=[str(manifest["kind"]) for manifest in (*decision.ground, *decision.apply)],
                secrets=[wish.ref.name for wish in decision.create_secrets],
                deleted=[str(ref) for ref in decision.delete],
                activity=decision.activity["spec"]["holderIdentity"] if decision.activity else "",
                status=decision.status is not None,
                events=[event.reason for event in decision.events],
            )
        try:
            await self._actor.carry_out(name, observed, decision, at=at)
        except InsulaError as error:
            await self._tell_failure(name, observed, error, at=at)
            raise
        self._told.pop(name, None)
        if observed.tenant is None:
            return decision.look_again_s
        resync_s = self._resync_s * random.uniform(0.5, 1.0)  # noqa: S311  # spreads load, keeps no secret
        return min(decision.look_again_s or resync_s, resync_s)

    async def _tell_failure(self, name: str, observed: Observed, error: InsulaError, *, at: datetime) -> None:
        """Tell the Tenant's readers what they can do something about; once, not at every attempt."""
        passing = isinstance(error, LeaseLostError | ConflictError | UnavailableError)
        if passing or self._told.get(name) == error.message:
            return
        self._told[name] = error.message
        await self._actor.tell(observed, EventWish("Warning", "ApplyFailed", str(error)), at=at)
