"""Kept answers take so much room and no more, each tenant's apart, and no longer than agreed."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from insula.gateway.answers import ENTRY_BYTES, Answers
from insula.gateway.replaying import Whole

TENANTS = st.sampled_from(["alice", "bob", "carol"])
KEYS = st.sampled_from(["a", "b", "c", "d"])
CAPACITY, TTL_S = 8192, 60.0


class Keeping(RuleBasedStateMachine):
    """What a tenant gets is what it gave last under that key, within the time, or nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.given: dict[tuple[str, str], tuple[Whole, float]] = {}
        self.answers = Answers(lambda: self.now, capacity_bytes=CAPACITY, ttl_s=TTL_S)

    @rule(tenant=TENANTS, key=KEYS, body=st.binary(max_size=3000))
    def put(self, tenant: str, key: str, body: bytes) -> None:
        if self.answers.put(tenant, key, whole := Whole(body)):
            self.given[tenant, key] = whole, self.now

    @rule(tenant=TENANTS, key=KEYS)
    def get(self, tenant: str, key: str) -> None:
        whole, at = self.given.get((tenant, key), (None, 0.0))
        found = self.answers.get(tenant, key)
        assert found is None or found is whole
        assert found is None or self.now - at < TTL_S

    @rule(seconds=st.floats(0, 50))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def bounded(self) -> None:
        assert self.answers.size_bytes <= CAPACITY
        assert all(self.answers.of(tenant)[1] <= CAPACITY // 4 for tenant in ("alice", "bob", "carol"))
        assert (self.answers.count == 0) == (self.answers.size_bytes == 0)


TestKeeping = Keeping.TestCase


def test_an_answer_that_is_too_large_is_not_kept_and_pushes_nothing_out() -> None:
    answers = Answers(lambda: 0.0)
    assert answers.put("alice", "small", Whole(b"x"))
    assert not answers.put("alice", "large", Whole(b"x" * ENTRY_BYTES))
    assert answers.count == 1


def test_a_cache_without_room_keeps_nothing() -> None:
    assert not Answers(lambda: 0.0, capacity_bytes=0).put("alice", "a", Whole(b""))


@given(st.lists(st.tuples(TENANTS, KEYS), max_size=20))
def test_what_nobody_asks_for_again_goes_when_its_time_is_over(puts: list[tuple[str, str]]) -> None:
    now = 0.0
    answers = Answers(lambda: now, ttl_s=TTL_S)
    for tenant, key in puts:
        answers.put(tenant, key, Whole(b"x"))
    now = TTL_S + 1
    answers.put("dave", "a", Whole(b"x"))
    assert answers.count == 1
