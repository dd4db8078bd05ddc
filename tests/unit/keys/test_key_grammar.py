import contextlib
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insula.domain import keys

ALICE = "0b5e7f3c-4e0f-4c58-9d3e-1f2a3b4c5d6e"
SIGNATURE = bytes(range(64))

tenant_keys = st.builds(
    keys.TenantKey,
    kid=st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=16),
    tenant_id=st.uuids().map(str),
    generation=st.integers(1, keys.MAX_GENERATION),
    signature=st.binary(min_size=64, max_size=64),
)


@given(tenant_keys)
def test_a_key_reads_back_as_it_was_written(key: keys.TenantKey) -> None:
    assert keys.parse_key(keys.format_key(key)) == key


@given(tenant_keys)
def test_no_key_is_longer_than_the_bound(key: keys.TenantKey) -> None:
    assert len(keys.format_key(key)) <= keys.MAX_KEY_CHARACTERS


@given(st.text(max_size=300))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(keys.InvalidKeyError):
        keys.parse_key(text)


@given(tenant_keys, st.data())
def test_one_changed_character_never_gives_the_same_key(key: keys.TenantKey, data: st.DataObject) -> None:
    text = keys.format_key(key)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_.").filter(lambda c: c != text[at]))
    with contextlib.suppress(keys.InvalidKeyError):
        assert keys.parse_key(text[:at] + other + text[at + 1 :]) != key


@pytest.mark.parametrize("generation", [0, -1, keys.MAX_GENERATION + 1])
def test_a_generation_out_of_range_is_not_written(generation: int) -> None:
    with pytest.raises(keys.InvalidKeyError):
        keys.format_key(keys.TenantKey("k1", ALICE, generation, SIGNATURE))


@pytest.mark.parametrize("tenant_id", ["alice", "", ALICE.upper(), str(uuid.UUID(ALICE).int), ALICE + "\n"])
def test_an_identity_that_is_no_uuid_is_not_written(tenant_id: str) -> None:
    with pytest.raises(keys.InvalidKeyError):
        keys.format_key(keys.TenantKey("k1", tenant_id, 1, SIGNATURE))


def test_a_generation_with_a_leading_zero_is_refused() -> None:
    text = keys.format_key(keys.TenantKey("k1", ALICE, 1, SIGNATURE)).replace(".1.", ".01.")
    with pytest.raises(keys.InvalidKeyError):
        keys.parse_key(text)


def test_a_signature_spelt_another_way_is_refused() -> None:
    text = keys.format_key(keys.TenantKey("k1", ALICE, 1, bytes(64)))
    assert text.endswith("A")
    with pytest.raises(keys.InvalidKeyError):
        keys.parse_key(text[:-1] + "B")


def test_a_repr_does_not_show_the_signature() -> None:
    assert "signature" not in repr(keys.TenantKey("k1", ALICE, 1, SIGNATURE))
