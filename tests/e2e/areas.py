"""An area that a resident makes in her home: something that is hers, to be found again or never."""

import asyncio

from e2e.house import Home, until
from insula.domain.errors import RefusedError
from insula.homeassistant.connection import HomeAssistant
from insula.services.asking import Account

# Home Assistant writes its registries down some ten seconds after a change, but minutes later while it still starts.
RUNNING_S = 120.0
LOOK_EVERY_S = 0.5
WRITTEN = """
import json, pathlib, sys
text = pathlib.Path("/config/.storage/core.area_registry").read_text()
print(json.dumps(sys.argv[1] in {area["name"] for area in json.loads(text)["data"]["areas"]}))
"""


async def names_of_areas(home: HomeAssistant) -> set[str]:
    async with home.commands() as commands:
        return {area["name"] for area in await commands.send("config/area_registry/list")}


async def make_area(home: Home, name: str) -> None:
    """Make an area and wait until it is on the volume."""
    async with home.entered() as entered, entered.commands() as commands:
        await wait_until_running(entered)
        await commands.send("config/area_registry/create", name=name)
    until(f"the area {name} being written", lambda: bool(home.inside(WRITTEN, name)), timeout_s=60)


async def wait_until_running(home: HomeAssistant) -> None:
    """Wait until Home Assistant has started all it wants to start; it answers long before."""
    async with asyncio.timeout(RUNNING_S):
        while True:
            if (await home.call("GET", "/api/config"))["state"] == "RUNNING":
                return
            await asyncio.sleep(LOOK_EVERY_S)


async def lets_in(home: Home, account: Account) -> bool:
    """Say whether a home knows an account."""
    try:
        async with home.entered(account):
            return True
    except RefusedError:
        return False
