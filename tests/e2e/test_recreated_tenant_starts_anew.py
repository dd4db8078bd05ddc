"""A tenant's data outlive the Tenant, and come back only to one who names them."""

from collections.abc import Callable

import yaml

from e2e.areas import lets_in, make_area, names_of_areas
from e2e.house import READY_S, Home, create, insula, purge
from e2e.inside import ASK_WITH_KEYS
from insula.domain import names

REFUSED = 5  # the exit code
AREA = "Observatory"


def opens(home: Home, key: str) -> int:
    """Return the status with which the gateway answers to a key, asked from the home."""
    ((status, _),) = home.inside(ASK_WITH_KEYS, "http://ollama:11434/api/tags", key)
    return int(status)


def adopt(home: Home, identity: str) -> None:
    spec = {"owner": f"{home.name}@example.com", "plan": "standard", "adopt": identity}
    tenant = {"apiVersion": names.API_VERSION, "kind": "Tenant", "metadata": {"name": home.name}, "spec": spec}
    words = ("--file", "/dev/stdin", "--wait", "--timeout", str(READY_S))
    insula("tenant", "create", home.name, *words, stdin=yaml.safe_dump(tenant))


async def test_data_come_back_to_one_who_adopts_them_and_to_nobody_else(a_place: Callable[[str], Home]) -> None:
    home = a_place("phoenix")
    create(home)
    await make_area(home, AREA)
    identity, key, resident = home.identity, home.key, home.resident
    assert opens(home, key) == 200

    # Deleted, she leaves her data and nothing that runs.
    insula("tenant", "delete", home.name, "--yes", "--wait")
    assert home.has_namespace()
    assert home.pods(names.HOME_ASSISTANT) == []

    # Who makes a tenant of her name is refused: the data are in the way.
    done = insula("tenant", "create", home.name, "--owner", "other@example.com", "--wait", check=False)
    assert done.returncode == REFUSED
    assert "RetainedDataInTheWay" in done.stderr
    assert identity in done.stderr
    assert home.pods(names.HOME_ASSISTANT) == []
    insula("tenant", "delete", home.name, "--yes", "--wait")

    # Who names the data gets them, with the login; the old key is dead.
    adopt(home, identity)
    assert home.identity == identity
    async with home.entered(resident) as entered:
        assert AREA in await names_of_areas(entered)
    assert home.key != key
    assert (opens(home, key), opens(home, home.key)) == (401, 200)

    # Purged, she is gone for good; the next of her name begins anew.
    adopted_key = home.key
    purge(home, wait=True)
    assert not home.has_namespace()
    create(home)
    assert home.identity != identity
    assert home.resident.password != resident.password
    assert not await lets_in(home, resident)
    async with home.entered() as entered:
        assert AREA not in await names_of_areas(entered)
    assert [opens(home, each) for each in (key, adopted_key, home.key)] == [401, 401, 200]
