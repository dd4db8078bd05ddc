"""A cluster and a home in memory, for the use cases of the command line."""

import base64
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from insula.domain import names
from insula.domain.errors import ConflictError, InsulaError, NotFoundError, RefusedError
from insula.domain.manifests import Manifest, ObjectRef, reference
from insula.services.asking import Account, Door


class FakeCluster:
    """Objects in a dictionary; `log` is what the one gateway pod has written."""

    def __init__(self, *objects: Manifest, log: str = "", git_version: str = "v1.37.2") -> None:
        self.objects = {reference(each): each for each in objects}
        self.log = log
        self.git_version = git_version
        self.patches: list[tuple[ObjectRef, Mapping[str, Any]]] = []

    async def version(self) -> str:
        return self.git_version

    async def find(self, ref: ObjectRef) -> Manifest | None:
        return self.objects.get(ref)

    async def list(
        self, api_version: str, kind: str, *, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        def fits(ref: ObjectRef, manifest: Manifest) -> bool:
            own = manifest["metadata"].get("labels", {})
            return (
                (ref.api_version, ref.kind) == (api_version, kind)
                and namespace in {"", ref.namespace}
                and all(own.get(key) == value for key, value in (labels or {}).items())
            )

        return [manifest for ref, manifest in self.objects.items() if fits(ref, manifest)]

    async def create(self, manifest: Manifest) -> Manifest:
        if reference(manifest) in self.objects:
            raise ConflictError("create: it exists (409)")
        self.objects[reference(manifest)] = manifest
        return manifest

    async def merge_patch(self, ref: ObjectRef, patch: Mapping[str, Any]) -> Manifest:
        if ref not in self.objects:
            raise NotFoundError("patch: it does not exist (404)")
        self.patches.append((ref, patch))
        self.objects[ref] = _merged(self.objects[ref], patch)
        return self.objects[ref]

    async def delete(self, ref: ObjectRef) -> bool:
        return self.objects.pop(ref, None) is not None

    async def logs(self, namespace: str, pod: str, *, tail: int) -> str:
        return self.log


def _merged(old: Any, patch: Any) -> Any:
    if not isinstance(patch, Mapping) or not isinstance(old, Mapping):
        return patch
    return {**old, **{key: _merged(old.get(key, {}), value) for key, value in patch.items()}}


class FakeHome:
    """A Home Assistant that says one thing, and notes who logged in where."""

    def __init__(self, reply: str | InsulaError, *, agent: str = "conversation.ollama", refuses: bool = False) -> None:
        self.reply = reply
        self.agent = agent
        self.refuses = refuses
        self.visits: list[tuple[Door, Account]] = []
        self.heard: list[tuple[str, str]] = []
        self.cluster: FakeCluster | None = None
        self.writes = ""

    @contextlib.asynccontextmanager
    async def log_in(self, door: Door, account: Account) -> AsyncIterator["FakeHome"]:
        self.visits.append((door, account))
        if self.refuses:
            raise RefusedError("Home Assistant does not let alice in: invalid_auth")
        yield self

    async def default_agent(self) -> str:
        return self.agent

    async def ask(self, text: str, agent: str) -> str:
        self.heard.append((text, agent))
        if self.cluster is not None:
            self.cluster.log += self.writes
        if isinstance(self.reply, InsulaError):
            raise self.reply
        return self.reply


def a_tenant(
    name: str = "alice",
    *,
    suspended: bool = False,
    policy: str = "Retain",
    generation: int = 1,
    conditions: Sequence[Mapping[str, Any]] = (),
    models: Sequence[str] = ("gemma3:270m",),
) -> Manifest:
    spec = {
        "owner": f"{name}@example.com",
        "plan": "standard",
        "ollama": {"models": list(models)},
        "suspended": suspended,
        "deletionPolicy": policy,
    }
    metadata = {"name": name, "generation": generation, "creationTimestamp": "2026-11-25T08:00:00Z"}
    status = {"conditions": list(conditions)}
    return {"apiVersion": names.API_VERSION, "kind": "Tenant", "metadata": metadata, "spec": spec, "status": status}


def a_condition(
    type_: str, status: str = "True", reason: str = "Done", message: str = "all is well", *, generation: int = 1
) -> dict[str, Any]:
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
    }


def an_object(api_version: str, kind: str, name: str, namespace: str = "", **fields: Any) -> Manifest:
    metadata: dict[str, Any] = {"name": name, **fields.pop("metadata", {})}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def a_secret(name: str, namespace: str, **data: str) -> Manifest:
    encoded = {key.replace("_", "."): base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return an_object("v1", "Secret", name, namespace, data=encoded)


def a_home(
    name: str = "alice", *, ollama_replicas: int = 1, conditions: Sequence[Mapping[str, Any]] = ()
) -> list[Manifest]:
    """Everything that asking looks at, of a tenant whose home is up."""
    space = names.namespace(name)
    ready = min(ollama_replicas, 1)
    return [
        a_tenant(name, conditions=conditions),
        a_secret(names.SECRET_PLATFORM_ACCOUNT, space, username="insula", password="sesame"),
        a_secret(names.SECRET_RESIDENT_ACCOUNT, space, username=name, password="initial"),
        a_secret(names.HOME_ASSISTANT_TLS, space, ca_crt="the CA"),
        an_object(
            "networking.k8s.io/v1",
            "Ingress",
            names.HOME_ASSISTANT,
            space,
            spec={"rules": [{"host": f"ha.{name}.insula.test"}]},
            status={"loadBalancer": {"ingress": [{"ip": "10.99.0.11"}]}},
        ),
        an_object(
            "apps/v1",
            "Deployment",
            names.OLLAMA,
            space,
            spec={"replicas": ollama_replicas},
            status={"readyReplicas": ready},
        ),
        an_object(
            "v1",
            "Pod",
            "insula-gateway-1",
            "insula-system",
            metadata={"labels": {"app.kubernetes.io/name": "insula", "app.kubernetes.io/component": "gateway"}},
        ),
    ]


def a_request_line(tenant: str = "alice", **fields: Any) -> str:
    entry = {
        "event": "request_done",
        "tenant": tenant,
        "path": "/api/chat",
        "request_id": "r-1",
        "model": "gemma3:270m",
        "timestamp": "2026-11-25T08:00:01Z",
        **fields,
    }
    return json.dumps(entry) + "\n"
