import json

import pytest

from insula.domain.errors import InvalidSpecError
from insula.domain.keys import InvalidKeyError, format_key, parse_key
from insula.services import keys
from insula.services.keys import SigningKeys, VerifiedKey, VerifyKeys

ALICE = "0b5e7f3c-4e0f-4c58-9d3e-1f2a3b4c5d6e"
BOB = "1c6f8a4d-5f1a-4d69-8e4f-2a3b4c5d6e7f"


def test_a_signed_key_says_who_and_which_generation() -> None:
    signing = SigningKeys.generate()
    verify = VerifyKeys.from_json(signing.verify_keys_json())
    assert verify.verify(signing.tenant_key(ALICE, 3)) == VerifiedKey(ALICE, 3)


def test_the_same_key_is_made_every_time() -> None:
    signing = SigningKeys.generate()
    assert signing.tenant_key(ALICE, 1) == SigningKeys.load(signing.dump()).tenant_key(ALICE, 1)


def test_another_identity_under_the_same_signature_is_refused() -> None:
    signing = SigningKeys.generate()
    verify = VerifyKeys.from_json(signing.verify_keys_json())
    with pytest.raises(InvalidKeyError, match="false"):
        verify.verify(signing.tenant_key(ALICE, 1).replace(ALICE, BOB))


def test_another_generation_under_the_same_signature_is_refused() -> None:
    signing = SigningKeys.generate()
    verify = VerifyKeys.from_json(signing.verify_keys_json())
    with pytest.raises(InvalidKeyError, match="false"):
        verify.verify(signing.tenant_key(ALICE, 1).replace(".1.", ".2."))


def test_a_stranger_with_our_key_id_is_refused() -> None:
    ours, stranger = SigningKeys.generate(), SigningKeys.generate()
    kid = keys.key_id(ours.current.public_key())
    forged = parse_key(stranger.tenant_key(ALICE, 1))
    text = format_key(type(forged)(kid, ALICE, 1, forged.signature))
    with pytest.raises(InvalidKeyError, match="false"):
        VerifyKeys.from_json(ours.verify_keys_json()).verify(text)


def test_an_unknown_signer_is_refused() -> None:
    verify = VerifyKeys.from_json(SigningKeys.generate().verify_keys_json())
    with pytest.raises(InvalidKeyError, match="signer"):
        verify.verify(SigningKeys.generate().tenant_key(ALICE, 1))


def test_after_one_rotation_the_old_key_still_verifies_and_after_two_it_does_not() -> None:
    first = SigningKeys.generate()
    old = first.tenant_key(ALICE, 1)
    second = first.rotate()
    third = second.rotate()
    assert VerifyKeys.from_json(second.verify_keys_json()).verify(old).tenant_id == ALICE
    with pytest.raises(InvalidKeyError):
        VerifyKeys.from_json(third.verify_keys_json()).verify(old)


def test_rotated_keys_read_back_from_their_secret() -> None:
    signing = SigningKeys.generate().rotate()
    assert SigningKeys.load(signing.dump()).verify_keys_json() == signing.verify_keys_json()


def test_the_memory_of_verified_keys_is_bounded() -> None:
    signing = SigningKeys.generate()
    verify = VerifyKeys({keys.key_id(signing.current.public_key()): signing.current.public_key()}, kept=2)
    for generation in (1, 2, 3, 1):
        assert verify.verify(signing.tenant_key(ALICE, generation)).generation == generation
        assert verify.remembered <= 2


def test_a_refused_key_is_not_repeated_in_the_message() -> None:
    text = SigningKeys.generate().tenant_key(ALICE, 1)
    with pytest.raises(InvalidKeyError) as caught:
        VerifyKeys.from_json("{}").verify(text)
    assert text not in str(caught.value)
    assert text[-20:] not in str(caught.value)


def test_a_repr_of_signing_keys_shows_no_key() -> None:
    assert "Ed25519" not in repr(SigningKeys.generate().rotate())


@pytest.mark.parametrize("data", [{}, {"signing-keys.json": "!"}, {"signing-keys.json": "e30="}])
def test_a_secret_that_holds_something_else_is_refused(data: dict[str, str]) -> None:
    with pytest.raises(InvalidSpecError):
        SigningKeys.load(data)


@pytest.mark.parametrize("text", ["", "[]", "not json", json.dumps({"k": "abc"}), json.dumps({"k": 5})])
def test_verify_keys_that_are_something_else_are_refused(text: str) -> None:
    with pytest.raises(InvalidSpecError):
        VerifyKeys.from_json(text)
