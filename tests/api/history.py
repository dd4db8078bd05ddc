"""A history of a few homes: what people and a cluster do to them while things go wrong, and what must be true then."""

import contextlib
import json
import re
from dataclasses import dataclass
from typing import Any, Final

from api import proxy
from api.homes import RELEASE, World, a_plan, a_running_pod, a_tenant
from api.operators import Supervised, second_pass, supervised
from api.proxy import Call, Fate
from api.server import ApiServer, eventually
from insula.domain import names
from insula.domain.errors import InsulaError
from insula.domain.manifests import Manifest, ObjectRef
from insula.kube import kinds
from insula.kube.client import Client
from insula.kube.kinds import Kind
from insula.kube.requests import Request, path_of
from insula.reconcile.model import OWNED_KINDS

LONG_AGO: Final = "2026-01-01T00:00:00Z"
KEPT: Final = "backup.example.com/keep"  # what somebody else writes on a Namespace of ours
# A creation is some 40 writes. A home may be made anew after each thing that happens, and each write be tried again.
WRITES_PER_HAPPENING: Final = 60


@dataclass
class Home:
    """What we did to one home."""

    name: str
    exists: bool = False
    uid: str = ""
    may_be_destroyed: bool = False  # whether "Delete" was ever agreed while this Namespace stood
    is_marked: bool = False  # whether somebody else's annotation stands on the Namespace

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef(names.API_VERSION, "Tenant", "", self.name)

    @property
    def namespace(self) -> ObjectRef:
        return ObjectRef("v1", "Namespace", "", names.namespace(self.name))


class History:
    """Homes, an operator that works through a proxy, and the book of what happened."""

    def __init__(self, server: ApiServer, client: Client, stem: str, size: int) -> None:
        self.server = server
        self.client = client
        self.world = World(client)
        self.homes = [Home(f"{stem}-{number}") for number in range(size)]
        self.plans = [f"{stem}-small", f"{stem}-large"]
        self.happenings = 1
        self._stack = contextlib.AsyncExitStack()
        self._read = 0  # how far into the book
        self._written = 0
        self._sins: list[str] = []
        self.operator: Supervised

    async def begin(self) -> None:
        for plan in self.plans:
            await self.client.apply(a_plan(plan))
        self.operator = await self._stack.enter_async_context(supervised(self.server))
        await self.operator.rest(quiet_s=0.2)
        self._read = len(self.operator.proxy.calls)

    # What people do.

    async def create(self, home: Home, *, adopt: bool, **spec: Any) -> None:
        standing = await self.client.find(home.namespace)
        if adopt and standing is not None:
            spec["adopt"] = standing["metadata"]["labels"][names.LABEL_TENANT_ID]
        made = await self.client.create(a_tenant(home.name, **spec))
        home.exists, home.uid = True, made["metadata"]["uid"]
        home.may_be_destroyed |= spec.get("deletionPolicy") == "Delete"

    async def edit(self, home: Home, change: Manifest) -> None:
        await self.client.merge_patch(home.ref, {"spec": change})
        home.may_be_destroyed |= change.get("deletionPolicy") == "Delete"

    async def delete(self, home: Home) -> None:
        await self.client.delete(home.ref)
        home.exists = False

    async def edit_plan(self, plan: str, cpu: str) -> None:
        manifest = a_plan(plan)
        manifest["spec"]["defaults"]["ollama"] = {
            "resources": {"requests": {"cpu": cpu, "memory": "256Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}},
            "storageGiB": 10,
        }
        await self.client.apply(manifest)

    async def spoil(self, ref: ObjectRef, patch: Manifest | None) -> None:
        """Delete or change what is ours; nothing where it is not there."""
        with contextlib.suppress(InsulaError):
            if patch is None:
                await self.client.delete(ref)
            else:
                await self.client.merge_patch(ref, patch)

    async def mark(self, home: Home) -> None:
        with contextlib.suppress(InsulaError):
            await self.client.merge_patch(home.namespace, {"metadata": {"annotations": {KEPT: "yes"}}})
            home.is_marked = True

    # What a cluster does.

    async def play(self, home: Home) -> None:
        """Bind volumes and run the pods of what stands."""
        namespace = names.namespace(home.name)
        for claim in (names.HOME_ASSISTANT_CONFIG, names.OLLAMA_MODELS):
            ref = ObjectRef("v1", "PersistentVolumeClaim", namespace, claim)
            with contextlib.suppress(InsulaError):
                await self.world.say(ref, phase="Bound")
        for name in (names.HOME_ASSISTANT, names.OLLAMA):
            house = await self.client.find(ObjectRef("apps/v1", "Deployment", namespace, name))
            if house is not None and house["spec"]["replicas"]:
                with contextlib.suppress(InsulaError):
                    await self.world.start_pod(house, **a_running_pod(name, claimed=name == names.HOME_ASSISTANT))

    def trouble(self, fate: Fate, calls: int) -> None:
        """Let the next calls have a fate; watches and the Lease are spared."""
        left = [calls]

        def script(call: Call) -> Fate:
            if not left[0] or call.is_watch or call.is_of_lease:
                return proxy.PASS
            left[0] -= 1
            return fate

        self.operator.proxy.script = script

    def break_watches(self, *, expired: bool) -> None:
        asked: set[str] = set()

        def script(call: Call) -> Fate:
            if not (expired and call.is_watch) or call.path in asked:
                return proxy.PASS
            asked.add(call.path)
            return proxy.EXPIRED

        self.operator.proxy.script = script
        self.operator.proxy.drop_watches()

    # What must be true.

    async def settle(self) -> None:
        """Let all trouble end and check that the homes are what was asked for."""
        self.operator.proxy.script = proxy.all_passes
        await self.operator.rest(quiet_s=0.3)
        await eventually(self._is_as_asked_for)
        await self.operator.rest(quiet_s=0.3)
        await eventually(self._is_as_asked_for)  # a change that was seen late has had its grace by now
        self._read_book()
        bound = WRITES_PER_HAPPENING * len(self.homes) * self.happenings
        assert self._written <= bound, f"{self._written} writes for {self.happenings} happenings"
        self.happenings, self._written = 1, 0
        assert self._sins == []

    async def end(self) -> None:
        """Settle; then another operator finds nothing to do."""
        try:
            await self.settle()
        finally:
            await self._stack.aclose()
        again = await second_pass(self.server)
        assert again == [], f"a second pass wrote {[str(call) for call in again]}"

    async def clear(self) -> None:
        await self._stack.aclose()
        for home in self.homes:
            await self.client.delete(home.ref)
            await self._end_namespace(home)
        for plan in self.plans:
            await self.client.delete(ObjectRef(names.API_VERSION, "Plan", "", plan))

    def _read_book(self) -> None:
        """Go through what was written since the last time, and note what no operator may do."""
        calls = self.operator.proxy.calls
        ours = {home.name: home for home in self.homes}
        for call in calls[self._read :]:
            if not call.writes:
                continue
            self._written += 1
            if not _is_own(call, ours):
                self._sins.append(f"foreign: {call}")
            elif call.method == "DELETE" and "/persistentvolumeclaims/" in call.path:
                self._sins.append(f"data gone: {call}")
            elif str(call) == f"DELETE /api/v1/namespaces/{names.namespace(call.tenant)}":
                self._sins += [] if ours[call.tenant].may_be_destroyed else [f"data gone: {call}"]
        self._read = len(calls)

    async def check(self, home: Home) -> None:
        namespace = await self.client.find(home.namespace)
        if home.is_marked and namespace is not None:
            assert namespace["metadata"]["annotations"].get(KEPT) == "yes", f"{home}: somebody else's is gone"
        if home.exists:
            await self._check_living(home, namespace)
        elif namespace is not None:
            await self._check_departed(home, namespace)

    async def _check_living(self, home: Home, namespace: Manifest | None) -> None:
        tenant = await self.client.get(home.ref)
        conditions = {each["type"]: each for each in tenant.get("status", {}).get("conditions", [])}
        accepted = conditions.get("Accepted", {})
        assert accepted.get("observedGeneration") == tenant["metadata"]["generation"], f"{home}: {accepted}"
        if accepted["status"] != "True":
            return
        assert namespace is not None
        annotations = namespace["metadata"]["annotations"]
        assert annotations[names.ANNOTATION_TENANT_UID] == home.uid
        assert annotations[names.ANNOTATION_DELETION_POLICY] == tenant["spec"].get("deletionPolicy", "Retain")
        house = await self.world.find(home.name, "Deployment", names.HOME_ASSISTANT, "apps/v1")
        assert house is not None, f"{home}: no house"
        assert house["spec"]["replicas"] == (0 if tenant["spec"].get("suspended") else 1)
        for claim in (names.HOME_ASSISTANT_CONFIG, names.OLLAMA_MODELS):
            assert await self.world.find(home.name, "PersistentVolumeClaim", claim), f"{home}: {claim} is gone"

    async def _check_departed(self, home: Home, namespace: Manifest) -> None:
        assert "deletionTimestamp" not in namespace["metadata"]
        for kind in ("Deployment", "Ingress"):
            api_version = "apps/v1" if kind == "Deployment" else "networking.k8s.io/v1"
            gone = await self.world.find(home.name, kind, names.HOME_ASSISTANT, api_version) is None
            assert gone, f"{home}: {kind} is still there"

    async def _is_as_asked_for(self) -> bool:
        self._read_book()
        if await self._pass_time():
            return False
        for home in self.homes:
            await self.check(home)
        return True

    async def _pass_time(self) -> bool:
        """Let graces pass and namespaces end; say whether anything came of it."""
        moved = False
        for home in self.homes:
            live = await self.client.find(home.namespace)
            if live is None:
                continue
            annotations = live["metadata"].get("annotations", {})
            waits = annotations.get(names.ANNOTATION_DELETION_POLICY) == "Delete"
            if live["metadata"].get("deletionTimestamp"):
                await self._end_namespace(home)
                home.may_be_destroyed = home.is_marked = False
                moved = True
            elif waits and annotations.get(names.ANNOTATION_RETAINED_SINCE, LONG_AGO) != LONG_AGO:
                past = {"metadata": {"annotations": {names.ANNOTATION_RETAINED_SINCE: LONG_AGO}}}
                await self.client.merge_patch(home.namespace, past)
                moved = True
        return moved

    async def _end_namespace(self, home: Home) -> None:
        """Play the controller that empties a namespace and lets it go."""
        namespace = names.namespace(home.name)
        owned = [Kind(each.api_version, each.kind, each.plural, each.namespaced) for each in OWNED_KINDS]
        for kind in (*owned, kinds.POD, kinds.of("v1", "Secret")):
            path = path_of(kind, namespace)
            await self.client.json(
                Request("deletecollection", kind.plural, "DELETE", path, {"gracePeriodSeconds": "0"})
            )
        await self.client.delete(home.namespace)
        live = await self.client.find(home.namespace)
        if live is not None:
            body = _body({**live, "spec": {"finalizers": []}})
            path = f"{path_of(kinds.NAMESPACE, name=namespace)}/finalize"
            with contextlib.suppress(InsulaError):
                await self.client.json(Request("update", "namespaces", "PUT", path, {}, "application/json", body))

        async def is_gone() -> bool:
            return await self.client.find(home.namespace) is None

        await eventually(is_gone)


# Where an operator may write besides its tenants' namespaces.
_COMMON = re.compile(
    rf"/apis/insula\.dev/v1alpha1/plans/[a-z0-9-]+/status|/apis/events\.k8s\.io/v1/namespaces/default/events|/api/v1/namespaces/{RELEASE}/(secrets|configmaps)/?.*"
)


def _is_own(call: Call, homes: dict[str, Home]) -> bool:
    """Say whether an operator that looks after these homes may write there."""
    if call.tenant:
        return call.tenant in homes and (call.path.endswith("/status") or "/tenants/" not in call.path)
    return _COMMON.fullmatch(call.path) is not None


def _body(value: Manifest) -> bytes:
    return json.dumps(value).encode()
