"""Random histories of homes on a real API server: whatever happens, in whatever order, they end as they were asked for.

INSULA_HISTORIES=200 tries that many, other ones each time; without it a few are tried, always the same.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from api import proxy
from api.history import History, Home
from api.homes import World
from api.operators import second_pass
from api.proxy import Fate
from api.server import ApiServer
from insula.domain import names
from insula.domain.manifests import Manifest, ObjectRef

Name = Callable[[str], str]
MODEL = "gemma3:270m"
HISTORIES = int(os.environ.get("INSULA_HISTORIES", "0"))
FEW = 6
STEPS = 14
HOMES = 3

BIG = {"resources": {"memory": "64Gi"}}
CHANGES: list[Manifest] = [
    {"suspended": True},
    {"suspended": False},
    {"deletionPolicy": "Delete"},
    {"deletionPolicy": "Retain"},
    {"ollama": {"models": [MODEL]}},
    {"ollama": {"models": []}},
    {"homeAssistant": {"configuration": "input_boolean: {}\n"}},
    {"homeAssistant": BIG},  # more than the plan has
    {"homeAssistant": None},
    {"plan": "none-of-this-name"},
    {"access": {"host": "shared.free.test"}},
    {"access": None},
]
FATES = [
    proxy.CONFLICT,
    Fate(answer=429, headers={"Retry-After": "0"}),
    proxy.BROKEN,
    proxy.AWAY,
    proxy.LOST,
    proxy.DONE_BUT_LOST,
    Fate(late_s=0.05),
]
SPOILS: list[tuple[str, str, str, Manifest | None]] = [
    ("apps/v1", "Deployment", names.HOME_ASSISTANT, None),
    ("apps/v1", "Deployment", names.OLLAMA, {"spec": {"replicas": 3}}),
    ("networking.k8s.io/v1", "NetworkPolicy", "default-deny", None),
    ("v1", "Service", names.OLLAMA, {"spec": {"externalName": "elsewhere.example.com"}}),
    ("v1", "ConfigMap", names.HOME_ASSISTANT_SCRIPTS, {"data": {"start.py": "spoilt"}}),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "insula-operator-secrets", None),
    ("v1", "ServiceAccount", names.OLLAMA, None),
    ("v1", "ResourceQuota", "pods", {"spec": {"hard": {"cpu": "1000"}}}),
]
homes = st.integers(0, HOMES - 1)


class Histories(RuleBasedStateMachine):
    """Each rule is one thing that happens; `wait` is a moment of peace in which everything is checked."""

    begin: ClassVar[Callable[[], History]]
    do: ClassVar[Callable[[Coroutine[Any, Any, None]], None]]

    def __init__(self) -> None:
        super().__init__()
        self.has_happened = False
        self.history = type(self).begin()

    @initialize()
    def start(self) -> None:
        self.happen(self.history.begin())

    @precondition(lambda self: any(not home.exists for home in self.history.homes))
    @rule(
        number=homes,
        policy=st.sampled_from(["Retain", "Delete"]),
        plan=st.integers(0, 1),
        has_models=st.booleans(),
        adopt=st.booleans(),
    )
    def create(self, number: int, policy: str, plan: int, has_models: bool, adopt: bool) -> None:
        home = self.of([home for home in self.history.homes if not home.exists], number)
        models = [MODEL] if has_models else []
        spec = {"deletionPolicy": policy, "plan": self.history.plans[plan], "ollama": {"models": models}}
        self.happen(self.history.create(home, adopt=adopt, **spec))

    @precondition(lambda self: any(home.exists for home in self.history.homes))
    @rule(number=homes, change=st.sampled_from(CHANGES))
    def edit(self, number: int, change: Manifest) -> None:
        self.happen(self.history.edit(self.living(number), change))

    @precondition(lambda self: any(home.exists for home in self.history.homes))
    @rule(number=homes)
    def delete(self, number: int) -> None:
        self.happen(self.history.delete(self.living(number)))

    @rule(plan=st.integers(0, 1), cpu=st.sampled_from(["100m", "200m", "1"]))
    def edit_plan(self, plan: int, cpu: str) -> None:
        self.happen(self.history.edit_plan(self.history.plans[plan], cpu))

    @rule(number=homes, what=st.sampled_from(SPOILS))
    def spoil(self, number: int, what: tuple[str, str, str, Manifest | None]) -> None:
        api_version, kind, name, patch = what
        namespace = names.namespace(self.history.homes[number].name)
        self.happen(self.history.spoil(ObjectRef(api_version, kind, namespace, name), patch))

    @rule(number=homes)
    def mark(self, number: int) -> None:
        self.happen(self.history.mark(self.history.homes[number]))

    @rule(number=homes)
    def play(self, number: int) -> None:
        self.happen(self.history.play(self.history.homes[number]))

    @rule(fate=st.sampled_from(FATES), calls=st.integers(1, 12))
    def trouble(self, fate: Fate, calls: int) -> None:
        self.history.trouble(fate, calls)
        self.history.happenings += calls

    @rule(expired=st.booleans())
    def break_watches(self, expired: bool) -> None:
        self.history.break_watches(expired=expired)
        self.history.happenings += 1

    @precondition(lambda self: self.has_happened)
    @rule()
    def crash(self) -> None:
        self.happen(self.history.operator.crash())
        self.has_happened = False

    @precondition(lambda self: self.has_happened)
    @rule()
    def wait(self) -> None:
        self.happen(self.history.settle())
        self.has_happened = False

    def teardown(self) -> None:
        try:
            self.happen(self.history.end())
        finally:
            self.happen(self.history.clear())

    def living(self, number: int) -> Home:
        return self.of([home for home in self.history.homes if home.exists], number)

    def of(self, those: list[Home], number: int) -> Home:
        return those[number % len(those)]

    def happen(self, what: Coroutine[Any, Any, None]) -> None:
        self.history.happenings += 1
        self.has_happened = True
        type(self).do(what)


async def test_whatever_happens_homes_end_as_they_were_asked_for(server: ApiServer, world: World, a_name: Name) -> None:
    await second_pass(server)  # what other tests left behind is done with
    loop = asyncio.get_running_loop()

    def do(what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, loop).result()

    def begin() -> History:
        return History(server, world.client, a_name("story"), HOMES)

    machine = type("Machine", (Histories,), {"begin": staticmethod(begin), "do": staticmethod(do)})
    how = settings(
        max_examples=HISTORIES or FEW,
        stateful_step_count=STEPS,
        derandomize=not HISTORIES,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink] if HISTORIES else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    await asyncio.to_thread(run_state_machine_as_test, machine, settings=how)
