"""An image of Home Assistant that never becomes ready costs its resident some minutes, and nothing else."""

from collections.abc import Callable

from e2e.areas import lets_in, make_area, names_of_areas
from e2e.house import Home, create, until
from insula.domain import names

AREA = "Library"
ROLLED_BACK_S = 300.0


async def test_an_image_that_does_not_become_ready_is_taken_back_with_data_and_login(
    a_place: Callable[[str], Home], model: str
) -> None:
    home = a_place("upgrader")
    create(home, "--model", model)
    await make_area(home, AREA)
    resident = home.resident
    (good,) = {pod["spec"]["containers"][0]["image"] for pod in home.pods(names.HOME_ASSISTANT)}
    # It exists on the node, and no Home Assistant is in it.
    (bad,) = {pod["spec"]["containers"][0]["image"] for pod in home.pods(names.OLLAMA)}
    ask_for_image(home, bad)

    def is_told(reason: str) -> Callable[[], str]:
        def look() -> str:
            found = home.condition("UpToDate")
            return str(found["message"]) if found.get("reason") == reason else ""

        return look

    until("the new image being tried", is_told("Upgrading"))
    message = until("the image being taken back", is_told("RolledBack"), timeout_s=ROLLED_BACK_S)
    assert bad in message
    assert good in message
    home.wait()
    (pod,) = home.pods(names.HOME_ASSISTANT)
    assert pod["spec"]["containers"][0]["image"] == good
    async with home.entered(resident) as entered:
        assert AREA in await names_of_areas(entered)
    assert await lets_in(home, resident)
    assert home.ask()["answer"].strip()

    # Who takes the wish back has a home that is as asked for, and nothing restarts for that.
    ask_for_image(home, None)
    until("the home being as asked for", is_told("Current"))
    assert [each["metadata"]["uid"] for each in home.pods(names.HOME_ASSISTANT)] == [pod["metadata"]["uid"]]


def ask_for_image(home: Home, image: str | None) -> None:
    value = f'"{image}"' if image else "null"
    patch = f'{{"spec": {{"homeAssistant": {{"image": {value}}}}}}}'
    home.cluster.kubectl("patch", "tenant", home.name, "--type=merge", "-p", patch)
