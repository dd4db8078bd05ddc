"""What a request costs its home, and whether the home has anything left for the day."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final, Protocol

from insula.domain.inference import Priority
from insula.domain.quotas import Level, level
from insula.domain.usage import NS_PER_S, Account, Amount
from insula.gateway.errors import QuotaError
from insula.gateway.prompts import Prompt
from insula.gateway.records import Exchange, Outcome
from insula.gateway.tails import Figures
from insula.gateway.takings import Takings
from insula.gateway.tenants import TenantRoute

_EMBED: Final = ("api_embed", "api_embeddings")
QUOTA_HEADER: Final = "X-Insula-Quota"


class Meter(Protocol):
    """Counts what homes use, and says when it is enough."""

    def judge(self, route: TenantRoute, exchange: Exchange) -> TenantRoute:
        """Return the route as the home may go on today: as it is, or, in overdraft, as batch.

        Raises:
            QuotaError: The day's seconds are used up.
        """
        ...

    def charge(self, route: TenantRoute, prompt: Prompt, exchange: Exchange) -> AbstractContextManager[None]:
        """Count what is used in this block, however it ends. It begins when the prompt has its turn."""
        ...


class Unmetered:
    """Counts nothing: there is no ledger."""

    def judge(self, route: TenantRoute, exchange: Exchange) -> TenantRoute:
        """Return the route as it is."""
        return route

    def charge(self, route: TenantRoute, prompt: Prompt, exchange: Exchange) -> AbstractContextManager[None]:
        """Count nothing."""
        return nullcontext()


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Metered:
    """Counts into the takings, and judges by them and by what the ledger has told."""

    takings: Takings
    now: Callable[[], datetime] = _now

    def judge(self, route: TenantRoute, exchange: Exchange) -> TenantRoute:
        """Return the route as the home may go on today.

        Raises:
            QuotaError: The day's seconds are used up.
        """
        limit_s = route.inference.gpu_seconds_per_day
        if limit_s is None:
            return route
        now = self.now().astimezone(UTC)
        used_s = self.takings.used_ns(route.tenant_id, now.date()) / NS_PER_S
        how = level(used_s, limit_s)
        if how in (Level.NEAR, Level.USED_UP):
            exchange.headers[QUOTA_HEADER] = f"{used_s:.0f}/{limit_s}"
        if how is not Level.USED_UP:
            return route
        if route.inference.overdraft:
            return replace(route, inference=replace(route.inference, priority=Priority.BATCH))
        midnight = _next_midnight(now)
        raise QuotaError(
            f"{route.name} has used its {limit_s} GPU-seconds of today; more come at {midnight:%Y-%m-%dT%H:%MZ}",
            retry_after_s=max(1, int((midnight - now).total_seconds())),
            tenant=route.name,
        )

    @contextmanager
    def charge(self, route: TenantRoute, prompt: Prompt, exchange: Exchange) -> Iterator[None]:
        """Count what is used in this block, however it ends."""
        begun = exchange.clock()
        try:
            yield
        finally:
            if exchange.status == HTTPStatus.OK:  # a refusal of Ollama's computes nothing
                day = self.now().astimezone(UTC).date()
                priority = prompt.class_under(route.inference.priority)
                account = Account(route.tenant_id, route.name, day, prompt.model.lower()[:256], priority)
                self.takings.add(
                    account, cost(exchange, exchange.figures(), openai=prompt.endpoint.openai, begun=begun)
                )


def cost(exchange: Exchange, told: Figures, *, openai: bool, begun: float) -> Amount:
    """Return what an answer cost.

    Ollama's own API tells how long it computed, and of an embedding how long it took with the loading, if at all.
    OpenAI's tells tokens alone: the time is what passed while the prompt had its turn. What was cut off told nothing,
    and costs what passed since its first byte.

    Args:
        exchange: The request and its answer, which is over.
        told: What the answer's end says.
        openai: Whose API it is.
        begun: When the prompt had its turn, in seconds of the exchange's clock.
    """
    tokens = told.prompt_eval_count or 0, told.eval_count or 0
    ended = exchange.clock() if exchange.finished is None else exchange.finished
    if exchange.finished is None or exchange.outcome is not Outcome.ANSWERED:
        since = ended if exchange.first_byte is None else exchange.first_byte
        return Amount(round((ended - since) * NS_PER_S), *tokens, 1)
    if openai or (exchange.endpoint in _EMBED and told.total_duration is None):
        return Amount(round((ended - begun) * NS_PER_S), *tokens, 1)
    if exchange.endpoint in _EMBED:
        return Amount(max(0, (told.total_duration or 0) - (told.load_duration or 0)), *tokens, 1)
    # An answer without them has loaded a model, or let it go, and computed nothing.
    return Amount((told.prompt_eval_duration or 0) + (told.eval_duration or 0), *tokens, 1)


def _next_midnight(now: datetime) -> datetime:
    return (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
