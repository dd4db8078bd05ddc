"""Gateways and the operator agree by the Lease: no stream is cut by sleep, and every prompt is answered in the end.

A machine plays the real judgements of both sides against watches that are late, each by itself, writes that come late
or not at all, restarts, clocks that differ, an API server that is away for a while, and pods that die.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from insula.domain import names
from insula.domain.activity import API_VERSION, KIND, Activity, SleepState, quiet_s
from insula.domain.manifests import Manifest, ObjectRef, reference
from insula.reconcile import sleeping
from insula.reconcile.reasons import Reason
from insula.reconcile.workloads import Workload

AFTER_S: Final = 800
NAMESPACE: Final = names.namespace("alice")
START: Final = datetime(2026, 11, 25, tzinfo=UTC)
ROUNDS: Final = 20
MAY: Final = {
    "gateway": {
        (SleepState.NEW, SleepState.AWAKE),
        (SleepState.AWAKE, SleepState.AWAKE),
        (SleepState.ASLEEP, SleepState.WANTED),
        (SleepState.WANTED, SleepState.WANTED),
    },
    "operator": {
        (SleepState.NEW, SleepState.AWAKE),
        (SleepState.AWAKE, SleepState.ASLEEP),
        (SleepState.WANTED, SleepState.AWAKE),
    },
}
gateways = st.integers(0, 1)
# What the watches have told: mostly all of it, now and then not.
news = st.sampled_from([*["lease deployment pods"] * 3, "lease", "deployment pods", ""])
told = st.sampled_from(["lease pods", "lease", "pods", ""])


class RefusedError(Exception):
    """The API server is away, or the version is another one."""


@dataclass
class Pod:
    uid: int
    ready: bool = False
    going: bool = False

    def manifest(self) -> Manifest:
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"ollama-{self.uid}",
                "namespace": NAMESPACE,
                "labels": {names.LABEL_COMPONENT: names.OLLAMA},
            }
            | ({"deletionTimestamp": "2026-11-25T00:00:00Z"} if self.going else {}),
            "status": {"conditions": [{"type": "Ready", "status": "True" if self.ready else "False"}]},
        }


def a_lease() -> Manifest:
    metadata = {"name": names.ACTIVITY, "namespace": NAMESPACE, "resourceVersion": "1"}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": {}}


def a_deployment() -> Manifest:
    metadata = {"name": names.OLLAMA, "namespace": NAMESPACE, "generation": 1}
    spec = {"replicas": 1, "template": {"metadata": {}}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec, "status": {}}


@dataclass
class Truth:
    """What the API server and the nodes have."""

    lease: Manifest = field(default_factory=a_lease)
    deployment: Manifest = field(default_factory=a_deployment)
    pods: dict[int, Pod] = field(default_factory=dict)
    made: int = 0
    is_away: bool = False

    def write_lease(self, who: str, patch: Manifest) -> Manifest:
        if self.is_away or patch["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise RefusedError
        before = Activity.of(self.lease).state
        self.lease = deepcopy(self.lease)
        self.lease["metadata"]["resourceVersion"] = str(int(self.lease["metadata"]["resourceVersion"]) + 1)
        self.lease["spec"] |= patch["spec"]
        assert (before, Activity.of(self.lease).state) in MAY[who], f"{who}: {before} → {patch['spec']}"
        return deepcopy(self.lease)

    def scale(self, replicas: int) -> Manifest:
        if self.is_away:
            raise RefusedError
        self.deployment = deepcopy(self.deployment)
        self.deployment["spec"]["replicas"] = replicas
        self.deployment["metadata"]["generation"] += 1
        return deepcopy(self.deployment)

    def control(self) -> None:
        """Do what Kubernetes' controllers do next."""
        replicas, staying = self.deployment["spec"]["replicas"], [pod for pod in self.pods.values() if not pod.going]
        if replicas == 0:
            for pod in staying:
                pod.going = True
        elif not staying:
            self.made += 1
            self.pods[self.made] = Pod(self.made)
        self.deployment = deepcopy(self.deployment)
        counted = {"replicas": 1} if replicas else {}
        self.deployment["status"] = {"observedGeneration": self.deployment["metadata"]["generation"]} | counted


@dataclass
class Operator:
    """What it has seen, and what it is about to do."""

    lease: Manifest
    deployment: Manifest
    pods: list[Manifest]
    judged: sleeping.Sleep | None = None

    def judge(self, now: datetime) -> None:
        objects: dict[ObjectRef, Manifest] = {
            reference(each): each for each in (self.lease, self.deployment, *self.pods)
        }
        ready = any(
            pod["status"]["conditions"][0]["status"] == "True" and "deletionTimestamp" not in pod["metadata"]
            for pod in self.pods
        )
        workload = Workload(ready, Reason.RUNNING if ready else Reason.STARTING, "")
        self.judged = sleeping.judge(objects, workload, after_s=AFTER_S, may_begin=ready, suspended=False, now=now)


@dataclass
class Gateway:
    """What one has seen; who waits at it, and which pods answer through it."""

    lease: Manifest
    ahead_s: float = 0.0
    endpoints: list[int] = field(default_factory=list)
    waiting: int = 0
    streams: list[int] = field(default_factory=list)


class House(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.truth = Truth()
        self.truth.control()
        self.truth.pods[1].ready = True
        self.truth.write_lease("operator", Activity.of(self.truth.lease).begun(self.now))
        self.operator = Operator(self.truth.lease, self.truth.deployment, [])
        # Their clocks differ from the operator's, and from each other's by half of the time to sleep.
        self.gateways = [Gateway(self.truth.lease, offset, [1]) for offset in (AFTER_S / 4, -AFTER_S / 4)]
        self.away_s = 0.0

    @initialize(looks=st.integers(0, 2), controlled=st.booleans(), asked=st.booleans())
    def begin(self, looks: int, controlled: bool, asked: bool) -> None:
        """Begin awake, or somewhere on the way to sleep, perhaps with somebody who asks."""
        self.nobody_asks_for_long(looks)
        if controlled:
            self.kubernetes_works(1)
        if asked:
            self.a_prompt_comes(0, "lease")

    # Time.

    @rule(seconds=st.integers(1, AFTER_S // 8))
    def time_passes(self, seconds: int) -> None:
        """Let time pass; whoever has prompts renews the Lease when it has grown old, as soon as it can."""
        self.now += timedelta(seconds=seconds)
        if self.truth.is_away:
            self.away_s += seconds
            self.truth.is_away = self.away_s < AFTER_S / 4
        for gateway in self.gateways:
            if gateway.streams or gateway.waiting:
                self.renew(gateway)

    @rule(looks=st.integers(0, 2))
    def nobody_asks_for_long(self, looks: int) -> None:
        """Let more time pass than an Ollama stays awake, and the operator look at it."""
        for _ in range(10):
            self.time_passes(AFTER_S // 8)
        self.the_operator_looks("lease deployment pods", looks)

    @precondition(lambda self: not self.truth.is_away)
    @rule()
    def the_api_server_goes_away(self) -> None:
        self.truth.is_away, self.away_s = True, 0.0

    # The operator.

    def the_operator_sees(self, what: str) -> None:
        if "lease" in what:
            self.operator.lease = deepcopy(self.truth.lease)
        if "deployment" in what:
            self.operator.deployment = deepcopy(self.truth.deployment)
        if "pods" in what:
            self.operator.pods = [pod.manifest() for pod in self.truth.pods.values()]

    @rule(what=news, times=st.integers(1, 3))
    def the_operator_looks(self, what: str, times: int = 1) -> None:
        """See, judge and act without anything between."""
        for _ in range(times):
            self.the_operator_sees(what)
            if self.operator.judged is None:
                self.operator.judge(self.now)
            self.the_operator_acts()

    @precondition(lambda self: self.operator.judged is None)
    @rule(what=news)
    def the_operator_judges(self, what: str) -> None:
        """See and judge; what was judged is done later."""
        self.the_operator_sees(what)
        self.operator.judge(self.now)

    @precondition(lambda self: self.operator.judged is not None)
    @rule()
    def the_operator_acts(self) -> None:
        """Carry out what was judged, however long ago: replicas first, then the Lease, as long as nothing fails."""
        judged, self.operator.judged = self.operator.judged, None
        assert judged is not None
        replicas = 0 if judged.asleep else 1
        try:
            if self.operator.deployment["spec"]["replicas"] != replicas:
                self.operator.deployment = self.truth.scale(replicas)
            if judged.patch is not None:
                self.operator.lease = self.truth.write_lease("operator", judged.patch)
        except RefusedError:
            return

    @rule()
    def the_operator_is_restarted(self) -> None:
        self.operator.judged = None
        self.the_operator_sees("lease deployment pods")

    # Kubernetes.

    @rule(how_far=st.integers(1, 3))
    def kubernetes_works(self, how_far: int) -> None:
        """Let the controllers work, then pods that go be gone, then the others be ready."""
        before = {pod.uid for pod in self.truth.pods.values() if not pod.going}
        self.truth.control()
        gone = before - {pod.uid for pod in self.truth.pods.values() if not pod.going}
        for gateway in self.gateways:
            assert not gone.intersection(gateway.streams), "put to sleep under a stream"
        if how_far > 1:
            self.truth.pods = {uid: pod for uid, pod in self.truth.pods.items() if not pod.going}
        for pod in self.truth.pods.values() if how_far > 2 else ():
            pod.ready = True

    @rule()
    def a_node_fails(self) -> None:
        """Lose all pods; streams break off, which nobody can help."""
        self.truth.pods.clear()
        for gateway in self.gateways:
            gateway.streams.clear()

    # The gateways.

    def a_gateway_sees(self, which: int, what: str) -> None:
        gateway = self.gateways[which]
        if "lease" in what:
            gateway.lease = deepcopy(self.truth.lease)
        if "pods" in what:
            gateway.endpoints = [pod.uid for pod in self.truth.pods.values() if pod.ready and not pod.going]

    @rule(which=gateways, what=told)
    def a_prompt_comes(self, which: int, what: str) -> None:
        self.gateways[which].waiting += 1
        self.a_gateway_tries(which, what)

    @rule(which=gateways, what=told)
    def a_gateway_tries(self, which: int, what: str) -> None:
        """Do what a prompt's turn does: write the Lease unless it is fresh; go on if the Ollama is awake."""
        self.a_gateway_sees(which, what)
        gateway = self.gateways[which]
        if not gateway.waiting:
            return
        activity = Activity.of(gateway.lease)
        if not activity.is_fresh(AFTER_S, self.clock(gateway)):
            self.renew(gateway)
            activity = Activity.of(gateway.lease)
        for uid in gateway.endpoints if activity.is_fresh(AFTER_S, self.clock(gateway)) else ():
            pod = self.truth.pods.get(uid)
            if pod is not None and pod.ready:  # else nobody listens there
                assert not pod.going, "a stream begins at a pod that goes"
                gateway.waiting -= 1
                gateway.streams.append(uid)
                return

    @rule(which=gateways)
    def an_answer_is_complete(self, which: int) -> None:
        if self.gateways[which].streams:
            self.gateways[which].streams.pop()

    @rule(which=gateways)
    def a_gateway_is_restarted(self, which: int) -> None:
        """Drop its streams and prompts, whose clients ask again; it lists everything anew."""
        gateway = self.gateways[which]
        gateway.waiting += len(gateway.streams)
        gateway.streams.clear()
        self.a_gateway_sees(which, "lease pods")

    def clock(self, gateway: Gateway) -> datetime:
        return self.now + timedelta(seconds=gateway.ahead_s)

    def renew(self, gateway: Gateway) -> None:
        """Write the Lease unless somebody has just done so; after a refusal look again, as often as it takes."""
        for _ in range(3):
            activity, now = Activity.of(gateway.lease), self.clock(gateway)
            if activity.idle_s(now) < quiet_s(AFTER_S) and activity.state is not SleepState.ASLEEP:
                return
            try:
                gateway.lease = self.truth.write_lease("gateway", activity.asked(now))
            except RefusedError:
                if self.truth.is_away:
                    return
                gateway.lease = deepcopy(self.truth.lease)

    @invariant()
    def what_answers_is_awake(self) -> None:
        for gateway in self.gateways:
            assert not any(self.truth.pods[uid].going for uid in gateway.streams)

    def teardown(self) -> None:
        """See that every prompt is answered once all parts work, whatever has happened before."""
        self.truth.is_away = False
        for _ in range(ROUNDS):
            self.time_passes(1)
            self.the_operator_looks("lease deployment pods")
            self.kubernetes_works(3)
            for which, gateway in enumerate(self.gateways):
                for _prompt in range(gateway.waiting):
                    self.a_gateway_tries(which, "lease pods")
            if not any(gateway.waiting for gateway in self.gateways):
                return
        raise AssertionError(f"still waiting: {self.gateways}, {self.truth}")


TestSleepAndWakeAgree = House.TestCase
TestSleepAndWakeAgree.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
