"""Making a home talk to its model: what is made, what is left alone, what goes wrong."""

from collections.abc import AsyncIterator

import pytest
from pretended_home import BUILT_IN, PASSWORD, PretendedHome, a_pretended_home

from insula.domain.errors import RefusedError, UnavailableError
from insula.homeassistant.assist import ask, prefer_agent, run_assistant
from insula.homeassistant.connection import HomeAssistant, open_home
from insula.homeassistant.integration import Agent, ensure_agent, ensure_entry
from insula.homeassistant.replacing import retire_older

OLLAMA = "http://ollama:11434/t/key-1"
GEMMA = Agent("gemma3:270m", context_tokens=2048, can_control=False)
SOON_S = 5.0
NOW_S = 0.1


@pytest.fixture
async def pretended() -> AsyncIterator[PretendedHome]:
    async with a_pretended_home() as pretended:
        pretended.reaches[OLLAMA] = {"gemma3:270m", "llama3.2:3b"}
        yield pretended


@pytest.fixture
async def home(pretended: PretendedHome) -> AsyncIterator[HomeAssistant]:
    async with open_home(pretended.url) as home:
        await home.wait_until_listening(SOON_S)
        await home.log_in("insula", PASSWORD)
        yield home


async def set_up(home: HomeAssistant, url: str = OLLAMA, agent: Agent = GEMMA) -> str:
    entry = await ensure_entry(home, url, SOON_S)
    entity = await retire_older(home, entry, await ensure_agent(home, entry, agent, SOON_S), SOON_S)
    await prefer_agent(home, entity)
    return entity


async def test_a_new_home_gets_an_agent_that_its_assistant_uses(home: HomeAssistant, pretended: PretendedHome) -> None:
    assert await set_up(home) == "conversation.insula"
    assert pretended.changes == ["entry made", "agent made", "assistant changed"]
    assert pretended.engine == "conversation.insula"


async def test_the_entry_shows_a_title_and_not_the_key(home: HomeAssistant, pretended: PretendedHome) -> None:
    await set_up(home)
    assert [entry["title"] for entry in pretended.entries.values()] == ["Insula"]


async def test_setting_up_twice_changes_nothing(home: HomeAssistant, pretended: PretendedHome) -> None:
    await set_up(home)
    pretended.changes.clear()
    assert await set_up(home) == "conversation.insula"
    assert pretended.changes == []
    assert pretended.open_flows == {}


async def test_a_new_key_replaces_our_entry_and_the_agent_keeps_its_name(
    home: HomeAssistant, pretended: PretendedHome
) -> None:
    await set_up(home)
    pretended.reaches["http://ollama:11434/t/key-2"] = {"gemma3:270m"}
    assert await set_up(home, "http://ollama:11434/t/key-2") == "conversation.insula"
    assert [entry["url"] for entry in pretended.entries.values()] == ["http://ollama:11434/t/key-2"]
    assert pretended.engine == "conversation.insula"


async def test_with_a_new_key_the_old_entry_goes_when_the_assistant_has_left_it(
    home: HomeAssistant, pretended: PretendedHome
) -> None:
    await set_up(home)
    pretended.changes.clear()
    pretended.reaches["http://ollama:11434/t/key-2"] = {"gemma3:270m"}
    await set_up(home, "http://ollama:11434/t/key-2")
    before = ["entry made", "agent made", "assistant changed", "entry removed"]
    assert pretended.changes == [*before, "agent renamed", "assistant changed"]


async def test_with_a_new_key_the_agent_keeps_what_the_resident_set(
    home: HomeAssistant, pretended: PretendedHome
) -> None:
    await set_up(home)
    (agent,) = pretended.agents.values()
    agent["data"]["prompt"] = "Speak like a pirate."
    pretended.reaches["http://ollama:11434/t/key-2"] = {"gemma3:270m"}
    await set_up(home, "http://ollama:11434/t/key-2")
    (agent,) = pretended.agents.values()
    assert agent["data"]["prompt"] == "Speak like a pirate."
    assert pretended.open_flows == {}


async def test_with_a_new_key_an_assistant_of_the_residents_own_choice_stays(
    home: HomeAssistant, pretended: PretendedHome
) -> None:
    await set_up(home)
    pretended.engine = BUILT_IN
    pretended.changes.clear()
    pretended.reaches["http://ollama:11434/t/key-2"] = {"gemma3:270m"}
    entry = await ensure_entry(home, "http://ollama:11434/t/key-2", SOON_S)
    await retire_older(home, entry, await ensure_agent(home, entry, GEMMA, SOON_S), SOON_S)
    assert pretended.engine == BUILT_IN


async def test_a_new_model_changes_the_agent_and_keeps_what_the_resident_set(
    home: HomeAssistant, pretended: PretendedHome
) -> None:
    await set_up(home)
    (agent,) = pretended.agents.values()
    agent["data"]["prompt"] = "Speak like a pirate."
    await set_up(home, agent=Agent("llama3.2:3b", context_tokens=4096, can_control=True))
    (agent,) = pretended.agents.values()
    assert agent["data"]["model"] == "llama3.2:3b"
    assert agent["data"]["llm_hass_api"] == ["assist"]
    assert agent["data"]["prompt"] == "Speak like a pirate."


async def test_an_entry_that_the_resident_made_is_not_touched(home: HomeAssistant, pretended: PretendedHome) -> None:
    pretended.add_entry("http://192.168.1.20:11434", "My own Ollama")
    await set_up(home)
    assert {entry["title"] for entry in pretended.entries.values()} == {"My own Ollama", "Insula"}


async def test_an_interrupted_run_is_completed(home: HomeAssistant, pretended: PretendedHome) -> None:
    pretended.add_entry("http://ollama:11434/t/key-0", "Insula")
    pretended.add_entry(OLLAMA, OLLAMA)
    assert await set_up(home) == "conversation.insula"


async def test_an_agent_that_the_resident_chose_stays(home: HomeAssistant, pretended: PretendedHome) -> None:
    entry = pretended.add_entry("http://192.168.1.20:11434", "My own Ollama")
    pretended.agents["mine"] = {"entry": entry, "title": "Mine", "data": {}, "entity": "conversation.mine"}
    pretended.engine = "conversation.mine"
    await set_up(home)
    assert pretended.engine == "conversation.mine"


async def test_an_agent_that_is_gone_is_replaced(home: HomeAssistant, pretended: PretendedHome) -> None:
    pretended.engine = "conversation.gone"
    await set_up(home)
    assert pretended.engine == "conversation.insula"


async def test_an_ollama_out_of_reach_is_told_and_leaves_no_flow(home: HomeAssistant, pretended: PretendedHome) -> None:
    with pytest.raises(UnavailableError, match="cannot_connect"):
        await set_up(home, "http://elsewhere:11434")
    assert pretended.open_flows == {}
    assert pretended.entries == {}


async def test_a_model_that_is_not_there_is_not_fetched_by_home_assistant(
    home: HomeAssistant, pretended: PretendedHome
) -> None:
    with pytest.raises(UnavailableError, match="does not list the model"):
        await set_up(home, agent=Agent("missing:latest", context_tokens=2048, can_control=False))
    assert pretended.open_flows == {}


async def test_an_entry_that_does_not_load_tells_its_state(home: HomeAssistant, pretended: PretendedHome) -> None:
    pretended.loads = False
    with pytest.raises(UnavailableError, match="setup_retry"):
        await ensure_entry(home, OLLAMA, NOW_S)


async def test_a_wrong_password_is_a_refusal(pretended: PretendedHome) -> None:
    async with open_home(pretended.url) as home:
        with pytest.raises(RefusedError, match="invalid_auth"):
            await home.log_in("insula", "wrong")


async def test_a_home_that_is_down_is_unavailable() -> None:
    async with open_home("http://127.0.0.1:1") as home:
        with pytest.raises(UnavailableError, match="did not answer"):
            await home.wait_until_listening(NOW_S)


async def test_one_can_ask_the_agent_and_the_assistant(home: HomeAssistant) -> None:
    entity = await set_up(home)
    assert await ask(home, "What is the capital of France?", agent=entity) == "Paris"
    assert await run_assistant(home, "What is the capital of France?") == "Paris"


async def test_an_agent_that_fails_is_a_refusal(home: HomeAssistant) -> None:
    with pytest.raises(RefusedError, match="invalid agent"):
        await ask(home, "Hello", agent="conversation.unknown")
