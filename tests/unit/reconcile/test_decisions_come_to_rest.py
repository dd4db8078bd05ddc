"""Whatever happens in whatever order: decisions come to rest, and a second look at the same world changes nothing."""

from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import MODEL, World, a_tenant
from insula.domain import names
from insula.domain.tenants import DeletionPolicy
from insula.reconcile.model import PullProgress

TENANTS = st.builds(
    a_tenant,
    models=st.sampled_from([(), (MODEL,), (MODEL, "other:1"), ("other:1",)]),
    gpu=st.integers(0, 2),
    suspended=st.booleans(),
    deletion_policy=st.sampled_from(DeletionPolicy),
    allowed_cidrs=st.sampled_from([(), ("192.168.7.0/24",)]),
)


def _finish(job: str, message: str) -> Callable[[World], object]:
    return lambda world: world.finish_job(job, message) if world.has("Job", job) else world


def _fail(job: str) -> Callable[[World], object]:
    return lambda world: world.fail_job(job, '{"error": "x"}') if world.has("Job", job) else world


def _pull(world: World) -> None:
    world.progress = PullProgress(MODEL, 1, 3)


def _certify(world: World) -> None:
    if world.has("Certificate"):
        world.issue_certificate()


def _change(tenant: object) -> Callable[[World], object]:
    return lambda world: setattr(world, "desired", tenant)


HAPPENINGS = st.one_of(
    st.sampled_from(
        [
            World.bind_volumes,
            World.start_home_assistant,
            World.start_ollama,
            _certify,
            _pull,
            _finish(names.PULL, f'{{"models": {{"{MODEL}": "sha256:1", "other:1": "sha256:2"}}}}'),
            _finish(names.CONVERSE, '{"agent": "conversation.home"}'),
            _fail(names.PULL),
            _fail(names.CONVERSE),
            World.forget_tenant,
            World.create_again,
            lambda world: world.create_again(adopt="0b0e2f4c-5a55-4b5e-9d0b-1f0d6c1e0a11"),
            lambda world: world.pass_time(700),
        ]
    ),
    TENANTS.map(_change),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tenant=TENANTS, happenings=st.lists(HAPPENINGS, max_size=12))
def test_a_second_look_at_the_world_that_decisions_made_changes_nothing(
    tenant: object, happenings: list[Callable[[World], object]]
) -> None:
    world = World()
    _change(tenant)(world)
    for happen in happenings:
        happen(world)
        world.settle()
        assert world.decide().is_empty


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(happenings=st.lists(HAPPENINGS, max_size=12))
def test_data_go_only_where_they_were_to_be_deleted(happenings: list[Callable[[World], object]]) -> None:
    world = World().settle()
    for happen in happenings:
        happen(world)
        for _ in range(12):
            memory = world.memory() if world.namespace else None
            decision = world.step()
            doomed = {ref.kind for ref in decision.delete}
            assert "PersistentVolumeClaim" not in doomed
            assert "Namespace" not in doomed or (memory and memory.deletion_policy is DeletionPolicy.DELETE)
            if decision.is_empty:
                break


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(happenings=st.lists(HAPPENINGS, max_size=12))
def test_no_route_ever_leads_to_a_volume_that_was_not_claimed(happenings: list[Callable[[World], object]]) -> None:
    world = World().settle()
    for happen in happenings:
        happen(world)
        world.settle()
        if world.has("Ingress"):
            claim = world.objects[world.ref("v1", "PersistentVolumeClaim", names.HOME_ASSISTANT_CONFIG)]
            assert world.memory().claimed_volume == claim["metadata"]["uid"]
