"""Plays what a cluster does for homes: volumes are bound, pods run, certificates are issued, Jobs end well.

No scheduler, kubelet or controller runs here. Each object that wants one of them is answered at once, as a cluster
without any delay would.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from api import homes
from api.homes import a_running_pod
from bench.ladder.world import MODEL
from insula.domain import names
from insula.domain.errors import ConflictError, NotFoundError
from insula.domain.manifests import Manifest, ObjectRef, reference
from insula.kube import kinds, watching
from insula.kube.client import Client
from insula.kube.watching import Watch

HANDS: Final = 4
RESTART_S: Final = 2.0  # from the old pod's end to the new one's answer, when a Deployment changes
PLAYED: Final = (
    kinds.of("v1", "PersistentVolumeClaim"),
    kinds.of("apps/v1", "Deployment"),
    kinds.of("cert-manager.io/v1", "Certificate"),
    kinds.of("batch/v1", "Job"),
)
_MESSAGES: Final = {
    names.PULL: f'{{"models": {{"{MODEL}": "sha256:{"0" * 64}"}}}}',
    names.CONVERSE: '{"agent": "conversation.ollama"}',
}


class Player:
    """Answers new objects; as a watch's sink it takes note of them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._world = homes.World(client)
        self._waiting: asyncio.Queue[Manifest] = asyncio.Queue()
        self._seen: dict[str, int] = {}  # by UID: the generation that was answered
        self.restarts = 0
        """How many pods were replaced."""

    def begin(self, resource_version: str) -> None:
        """Each object tells for itself."""

    def end(self) -> None:
        """Each object has told for itself."""

    def upsert(self, item: Manifest) -> None:
        """Take one object."""
        uid, generation = item["metadata"]["uid"], item["metadata"].get("generation", 0)
        if self._seen.get(uid, -1) < generation:
            self._seen[uid] = generation
            self._waiting.put_nowait(item)

    def remove(self, item: Manifest) -> None:
        """Forget one object."""
        self._seen.pop(item["metadata"]["uid"], None)

    def advance(self, resource_version: str) -> None:
        """Nothing depends on it."""

    def disconnected(self, reason: str) -> None:
        """The watch goes on by itself."""

    async def play(self) -> None:
        """Answer until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for kind in PLAYED:
                watch = Watch(kind, selector=names.LABEL_TENANT)
                tasks.create_task(watching.follow(self._client, watch, self))
            for _ in range(HANDS):
                tasks.create_task(self._answer_all(tasks))

    async def _answer_all(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            item = await self._waiting.get()
            if item["kind"] == "Deployment" and item.get("status", {}).get("observedGeneration"):
                if item["status"]["observedGeneration"] < item["metadata"]["generation"]:
                    tasks.create_task(self._restart(item))
                continue
            with contextlib.suppress(NotFoundError, ConflictError):  # it went, or an earlier run answered it
                await self._answer(item)

    async def _answer(self, item: Manifest) -> None:
        ref, name = reference(item), item["metadata"]["name"]
        match item["kind"]:
            case "PersistentVolumeClaim":
                if item.get("status", {}).get("phase") != "Bound":
                    await self._world.say(ref, phase="Bound")
            case "Certificate":
                if not item.get("status"):
                    await self._world.say(ref, conditions=[{"type": "Ready", "status": "True"}])
            case "Deployment":
                await self._start(item)
            case "Job" if name in _MESSAGES:
                await self._world.end_job(item, _MESSAGES[name])

    async def _restart(self, deployment: Manifest) -> None:
        """Put a pod of the present template in place of the old one."""
        pod = f"{deployment['metadata']['name']}-{deployment['metadata']['uid'][:5]}"
        await self._client.delete(ObjectRef("v1", "Pod", deployment["metadata"]["namespace"], pod))
        self.restarts += 1
        await asyncio.sleep(RESTART_S)
        with contextlib.suppress(NotFoundError, ConflictError):
            await self._start(deployment)

    async def _start(self, deployment: Manifest) -> None:
        name = deployment["metadata"]["name"]
        await self._world.start_pod(deployment, **a_running_pod(name, claimed=name == names.HOME_ASSISTANT))
        counts = dict.fromkeys(("replicas", "readyReplicas", "availableReplicas", "updatedReplicas"), 1)
        await self._world.say(reference(deployment), observedGeneration=deployment["metadata"]["generation"], **counts)


@contextlib.asynccontextmanager
async def playing(client: Client) -> AsyncIterator[Player]:
    """Play while the context lasts."""
    player = Player(client)
    async with asyncio.TaskGroup() as tasks:  # a player that fails ends the measurement
        task = tasks.create_task(player.play())
        yield player
        task.cancel()
