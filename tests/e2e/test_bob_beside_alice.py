"""Two tenants live beside each other and share nothing that opens a door."""

from e2e.house import Home
from insula.domain import names


def test_both_homes_answer(alice: Home, bob: Home) -> None:
    assert alice.ask()["answer"].strip()
    assert bob.ask()["answer"].strip()


def test_they_share_no_identity_and_no_secret(alice: Home, bob: Home) -> None:
    assert alice.identity != bob.identity
    assert alice.key != bob.key
    for account in (names.SECRET_PLATFORM_ACCOUNT, names.SECRET_RESIDENT_ACCOUNT):
        assert alice.secret(account)["password"] != bob.secret(account)["password"]
    assert alice.secret(names.HOME_ASSISTANT_TLS)["tls.key"] != bob.secret(names.HOME_ASSISTANT_TLS)["tls.key"]
