"""A Home Assistant that is killed comes back with what it knew: data and login."""

from e2e.areas import lets_in, make_area, names_of_areas
from e2e.house import Home
from insula.domain import names


async def test_data_and_login_survive_the_death_of_the_pod(newcomer: Home) -> None:
    await make_area(newcomer, "Winter garden")
    old = newcomer.ready_pod(names.HOME_ASSISTANT)["metadata"]
    newcomer.cluster.kubectl("delete", "pod", old["name"], "-n", newcomer.namespace, "--grace-period=0", "--force")
    newcomer.ready_pod(names.HOME_ASSISTANT, other_than=old["uid"])
    newcomer.wait()
    async with newcomer.entered(newcomer.resident) as home:
        assert "Winter garden" in await names_of_areas(home)
    assert await lets_in(newcomer, newcomer.resident)
    assert newcomer.ask()["answer"].strip()
