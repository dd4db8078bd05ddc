"""Lay the accounts and the finished onboarding into /config before Home Assistant listens for the first time.

An unclaimed Home Assistant belongs to whoever reaches it first. So this runs in an init container, with Home
Assistant's own Python and its own modules for accounts and storage, and no network is needed.

What it does, and does again without changing anything:

- A home without people gets two: the resident, who owns it, and the platform's account, both administrators.
- A home with people (restored, or taken over) keeps them and their passwords as they are. Only the platform's own
  account is made, or given the password that the platform knows.
- Before another version of Home Assistant touches the home, what it would change is laid aside (`keeping.py`).
- The onboarding is done, whatever happened, so that nobody can claim the home over the web.

The last line of the termination log is `{"claimed": true}`; an error is `{"error": ...}` and exit status 1.
"""

# Home Assistant is not installed where this file is checked; it is where this file runs.
# mypy: disable-error-code="import-not-found, import-untyped, no-untyped-call, misc, untyped-decorator"

import asyncio
import json
import logging
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import keeping
from homeassistant import loader
from homeassistant.auth import auth_manager_from_config
from homeassistant.auth.const import GROUP_ID_ADMIN
from homeassistant.auth.providers.homeassistant import InvalidAuth
from homeassistant.components import onboarding, person
from homeassistant.components.onboarding.const import DEFAULT_AREAS, STEPS
from homeassistant.core import HomeAssistant
from homeassistant.helpers import (
    area_registry,
    category_registry,
    device_registry,
    entity_registry,
    floor_registry,
    issue_registry,
    label_registry,
)

CONFIG: Final = Path(os.environ.get("INSULA_CONFIG", "/config"))
SECRETS: Final = Path(os.environ.get("INSULA_SECRETS", "/secrets"))
TERMINATION_LOG: Final = Path(os.environ.get("INSULA_TERMINATION_LOG", "/dev/termination-log"))


class Account:
    """A name and a password, as Kubernetes mounted them."""

    def __init__(self, directory: Path, display_name: str = "") -> None:
        self.username = (directory / "username").read_text(encoding="utf-8").strip().casefold()
        self.password = (directory / "password").read_text(encoding="utf-8").strip()
        self.display_name = display_name or self.username.replace(".", " ").replace("-", " ").title()


async def open_home(config: Path) -> Any:
    """Return Home Assistant's core over `config`, with registries and accounts loaded and nothing started."""
    home = HomeAssistant(str(config))
    loader.async_setup(home)
    for registry in (
        category_registry,
        floor_registry,
        label_registry,
        area_registry,
        device_registry,
        entity_registry,
        issue_registry,
    ):
        await registry.async_load(home)
    home.auth = await auth_manager_from_config(home, [{"type": "homeassistant"}], [])
    return home


async def ensure_password(provider: Any, account: Account) -> None:
    """Make the login of `account`, or give it the password that we know; change nothing when it has that already."""
    if not any(user["username"] == account.username for user in provider.data.users):
        await provider.async_add_auth(account.username, account.password)
        return
    try:
        await provider.async_validate_login(account.username, account.password)
    except InvalidAuth:
        await provider.async_change_password(account.username, account.password)


async def ensure_account(home: Any, account: Account) -> Any:
    """Make the administrator `account` with its login, or complete what an interrupted run left; return the user."""
    provider = home.auth.auth_providers[0]
    await ensure_password(provider, account)
    credentials = await provider.async_get_or_create_credentials({"username": account.username})
    user = None if credentials.is_new else await home.auth.async_get_user_by_credentials(credentials)
    if user is None:
        user = await home.auth.async_create_user(account.display_name, group_ids=[GROUP_ID_ADMIN])
        await home.auth.async_link_user(user, credentials)
    return user


async def settle_in(home: Any, owner: Any) -> None:
    """Give a new home what the onboarding's pages would have: a person, areas, the time zone."""
    people = person.PersonStore(home, person.STORAGE_VERSION, person.STORAGE_KEY)
    known = (await people.async_load() or {"items": []})["items"]
    resident = {"id": "resident", "name": owner.name, "user_id": owner.id, "device_trackers": []}
    await people.async_save({"items": [*(item for item in known if item["id"] != "resident"), resident]})
    areas = area_registry.async_get(home)
    for area in DEFAULT_AREAS:
        name = area.key.replace("_", " ").capitalize()
        if not areas.async_get_area_by_name(name):
            areas.async_create(name, icon=area.icon)
    if time_zone := os.environ.get("TZ"):
        await home.config.async_update(time_zone=time_zone)


async def finish_onboarding(home: Any) -> None:
    """Mark every step of the onboarding as done."""
    store = onboarding.OnboardingStorage(home, onboarding.STORAGE_VERSION, onboarding.STORAGE_KEY, private=True)
    done = (await store.async_load() or {"done": []})["done"]
    if set(done) != set(STEPS):
        await store.async_save({"done": [*done, *(step for step in STEPS if step not in done)]})


async def claim(config: Path, platform: Account, resident: Account) -> bool:
    """Claim the home in `config`; return whether it was empty, so that the resident is new in it."""
    home = await open_home(config)
    people = [user for user in await home.auth.async_get_users() if not user.system_generated]
    # An interrupted run may have written the platform's user alone; the first human user becomes the owner,
    # so the resident always comes first and an owner means that both were begun.
    is_new = not people
    if is_new:
        owner = await ensure_account(home, resident)
        await settle_in(home, owner)
    await ensure_account(home, platform)
    await finish_onboarding(home)
    # Stores wait before they write; stopping makes them write now. Forced, because this core was never started.
    await home.async_stop(force=True)
    return is_new


def main() -> int:
    """Claim the home, say how it went in the termination log, and return the exit status."""
    started = time.monotonic()
    try:
        platform = Account(SECRETS / "platform-account", "Insula")
        resident = Account(SECRETS / "resident-account", os.environ.get("INSULA_RESIDENT_NAME", ""))
        keeping.main(CONFIG, version("homeassistant"))
        is_new = asyncio.run(claim(CONFIG, platform, resident))
    except Exception as error:
        logging.exception("The home could not be claimed")
        TERMINATION_LOG.write_text(json.dumps({"error": f"{type(error).__name__}: {error}"[:1024]}), encoding="utf-8")
        return 1
    TERMINATION_LOG.write_text(json.dumps({"claimed": True}), encoding="utf-8")
    print(json.dumps({"event": "claimed", "new": is_new, "seconds": round(time.monotonic() - started, 2)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
