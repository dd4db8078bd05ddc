"""What the ledger answers about batches: to homes, for which a gateway vouches, and to the gateways that run them."""

import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Protocol, TypeVar

import orjson
from aiohttp import web
from pydantic import Field, ValidationError

from insula.contract import batches as contract
from insula.contract.base import Model
from insula.contract.resolve import explain
from insula.domain import times
from insula.domain.batches import MAX_ANSWERS_BYTES, MAX_UPLOAD_BYTES, Batch, Line, Result, Task
from insula.domain.errors import InvalidSpecError

MAX_PAUSE_S: Final = 3600

Said = TypeVar("Said", bound="Claim")


class Store(Protocol):
    """What keeps batches; `ledger.batches.BatchStore` is it."""

    async def add(self, batch_id: str, tenant_id: str, lines: Sequence[Line], *, now: int) -> Batch:
        """Keep a new batch."""
        ...

    async def all_of(self, tenant_id: str, *, now: int) -> list[Batch]:
        """Return a home's batches."""
        ...

    async def find(self, batch_id: str, tenant_id: str, *, now: int) -> Batch:
        """Return a batch of a home."""
        ...

    async def results(self, batch_id: str, tenant_id: str) -> list[Result]:
        """Return what became of the lines that are done."""
        ...

    async def remove(self, batch_id: str, tenant_id: str) -> None:
        """Forget a batch."""
        ...

    async def claim(self, runner: str, *, now: int) -> Task | None:
        """Give a runner the batch that waits longest."""
        ...

    async def hold(self, batch_id: str, runner: str, *, now: int) -> None:
        """Take note that a runner still runs a batch."""
        ...

    async def release(self, batch_id: str, runner: str, *, until: int) -> None:
        """Let a batch go."""
        ...

    async def answer(
        self, batch_id: str, runner: str, number: int, *, status: int, answer: str, now: int
    ) -> Task | None:
        """Keep what became of a line; return the next one."""
        ...


class Claim(Model):
    """What a runner says."""

    runner: Annotated[str, Field(min_length=1, max_length=64)]
    """One run of one gateway."""


class Release(Claim):
    """A runner cannot go on."""

    after_s: Annotated[int, Field(ge=0, le=MAX_PAUSE_S)] = 0
    """For how long nobody takes the batch up."""


class Answer(Claim):
    """What became of a line."""

    number: Annotated[int, Field(ge=0)]
    """Which line."""

    status: Annotated[int, Field(ge=100, le=599)]
    """HTTP's."""

    answer: Annotated[str, Field(max_length=MAX_ANSWERS_BYTES)]
    """JSON."""


def _now() -> int:
    return int(time.time())


@dataclass(frozen=True)
class Batches:
    """Answers requests about batches."""

    store: Store
    now: Callable[[], int] = _now
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve the paths of batches."""
        router.add_post("/batches", self.submit)
        router.add_get("/batches", self.list)
        router.add_get("/batches/{id}", self.tell)
        router.add_delete("/batches/{id}", self.cancel)
        router.add_get("/batches/{id}/results", self.tell_results)
        router.add_post("/claims", self.claim)
        router.add_post("/claims/{id}/hold", self.hold)
        router.add_post("/claims/{id}/release", self.release)
        router.add_post("/claims/{id}/answer", self.answer)

    async def submit(self, request: web.Request) -> web.Response:
        """Keep the prompts of an upload."""
        upload = await request.read()
        if len(upload) > MAX_UPLOAD_BYTES:
            raise InvalidSpecError(f"the batch is longer than {MAX_UPLOAD_BYTES // 1024 // 1024} MiB")
        lines = contract.lines_from_jsonl(upload)
        batch = await self.store.add(self.new_id(), _home(request), lines, now=self.now())
        return _json(_told(batch), status=202)

    async def list(self, request: web.Request) -> web.Response:
        """Tell of all batches of a home."""
        found = await self.store.all_of(_home(request), now=self.now())
        return _json({"batches": [_told(batch) for batch in found]})

    async def tell(self, request: web.Request) -> web.Response:
        """Tell how far a batch is."""
        return _json(_told(await self.store.find(_id(request), _home(request), now=self.now())))

    async def cancel(self, request: web.Request) -> web.Response:
        """Stop a batch, and forget it with its results."""
        await self.store.remove(_id(request), _home(request))
        return _json({"id": _id(request), "status": "cancelled"})

    async def tell_results(self, request: web.Request) -> web.Response:
        """Tell what became of the lines that are done, a line of JSON each."""
        found = await self.store.results(_id(request), _home(request))
        lines = b"".join(orjson.dumps(_result(each)) + b"\n" for each in found)
        return web.Response(body=lines, content_type="application/x-ndjson")

    async def claim(self, request: web.Request) -> web.Response:
        """Give a batch to a runner."""
        said = await _read(request, Claim)
        return _task(await self.store.claim(said.runner, now=self.now()))

    async def hold(self, request: web.Request) -> web.Response:
        """Leave a batch with its runner."""
        said = await _read(request, Claim)
        await self.store.hold(_id(request), said.runner, now=self.now())
        return web.Response(status=204)

    async def release(self, request: web.Request) -> web.Response:
        """Take a batch from its runner."""
        said = await _read(request, Release)
        await self.store.release(_id(request), said.runner, until=self.now() + said.after_s)
        return web.Response(status=204)

    async def answer(self, request: web.Request) -> web.Response:
        """Keep what became of a line, and give the next one."""
        said = await _read(request, Answer)
        following = await self.store.answer(
            _id(request), said.runner, said.number, status=said.status, answer=said.answer, now=self.now()
        )
        return _task(following)


def _told(batch: Batch) -> dict[str, Any]:
    counts = {"total": batch.lines, "completed": batch.answered, "failed": batch.failed}
    times = {"created_at": _written(batch.created_at), "expires_at": _written(batch.expires_at)}
    return {"id": batch.id, "status": batch.state.value, "request_counts": counts, **times}


def _written(seconds: int) -> str:
    return times.written(datetime.fromtimestamp(seconds, UTC))


def _result(result: Result) -> dict[str, Any]:
    """Return a result in the form of OpenAI's batches."""
    return {
        "custom_id": result.custom_id,
        "response": {"status_code": result.status, "body": _json_or_text(result.answer)},
        "error": None,
    }


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _task(task: Task | None) -> web.Response:
    return web.Response(status=204) if task is None else _json(asdict(task))


def _home(request: web.Request) -> str:
    tenant_id = request.query.get("tenantId", "")
    if not tenant_id:
        raise InvalidSpecError("a batch belongs to a home: ?tenantId=")
    return tenant_id


def _id(request: web.Request) -> str:
    return request.match_info["id"]


async def _read(request: web.Request, model: type[Said]) -> Said:
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as error:
        raise InvalidSpecError(explain(error)) from error


def _json(value: dict[str, Any], *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")
