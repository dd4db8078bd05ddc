"""A resident adds an integration that the image was not prepared for: Home Assistant installs what it needs itself."""

from e2e.house import Home
from insula.domain import names
from insula.homeassistant.connection import HomeAssistant

INTEGRATION = "workday"
ENTITY = "binary_sensor.working_days"
FLOWS = "/api/config/config_entries/flow"

# → [is it in the image, the places below /config where it is, each with the moment in which it came]
WHERE = """
import importlib.util, json, pathlib
found = pathlib.Path("/config").glob("deps/*/lib/*/site-packages/holidays")
places = [[str(path), path.stat().st_ctime] for path in found]
print(json.dumps([importlib.util.find_spec("holidays") is not None, places]))
"""


async def add_workday(home: HomeAssistant) -> None:
    """Go through the pages on which a resident adds the integration."""
    step = await home.call("POST", FLOWS, {"handler": INTEGRATION}, timeout_s=180)
    step = await home.call("POST", f"{FLOWS}/{step['flow_id']}", {"name": "Working days", "country": "DE"})
    days = {"workdays": ["mon", "tue", "wed", "thu", "fri"], "excludes": ["sat", "sun", "holiday"], "days_offset": 0}
    step = await home.call("POST", f"{FLOWS}/{step['flow_id']}", days)
    assert step["type"] == "create_entry", step


async def state_of_entry(home: HomeAssistant) -> str:
    (entry,) = await home.call("GET", f"/api/config/config_entries/entry?domain={INTEGRATION}")
    return str(entry["state"])


async def test_an_integration_installs_its_requirement_under_config_and_keeps_it(newcomer: Home) -> None:
    assert newcomer.inside(WHERE) == [False, []]
    async with newcomer.entered() as home:
        await add_workday(home)
        assert await state_of_entry(home) == "loaded"
        assert (await home.call("GET", f"/api/states/{ENTITY}"))["state"] in {"on", "off"}
    (in_image, places) = newcomer.inside(WHERE)
    assert not in_image
    assert len(places) == 1

    old = newcomer.ready_pod(names.HOME_ASSISTANT)["metadata"]
    newcomer.cluster.kubectl("delete", "pod", old["name"], "-n", newcomer.namespace, "--wait=false")
    newcomer.ready_pod(names.HOME_ASSISTANT, other_than=old["uid"])
    newcomer.wait()
    assert newcomer.inside(WHERE) == [False, places]
    async with newcomer.entered() as home:
        assert await state_of_entry(home) == "loaded"
