"""The Ollama integration of a home: its entry, and the agent in it.

A home may have several such entries; ours is known by its title, and another that a resident made is never touched.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from insula.domain.errors import NotFoundError, RefusedError, UnavailableError, cap
from insula.homeassistant.connection import LOOK_EVERY_S, Commands, HomeAssistant

DOMAIN: Final = "ollama"
# Title of our entry, and name of our agent: what a resident reads in Home Assistant's pages.
ENTRY_TITLE: Final = "Insula"
AGENT_NAME: Final = "Insula"
FLOWS: Final = "/api/config/config_entries/flow"
AGENT_FLOWS: Final = "/api/config/config_entries/subentries/flow"
PROMPT: Final = "You are the voice of this home. Answer truthfully, in one short sentence of plain text."


@dataclass(frozen=True)
class Agent:
    """What the conversation agent is set up with. `can_control`: the model takes tools, so it may steer the home."""

    model: str
    context_tokens: int
    can_control: bool

    def to_form(self) -> dict[str, Any]:
        """Return the fields of the integration's form that are ours to set."""
        form: dict[str, Any] = {"model": self.model, "num_ctx": self.context_tokens}
        return form | {"llm_hass_api": ["assist"]} if self.can_control else form


async def ensure_entry(home: HomeAssistant, url: str, timeout_s: float) -> str:
    """Have one entry of ours that speaks to `url`, loaded; return its id.

    An entry of ours with another URL (an older key stands in it) stays, and `retire_older` removes it.

    Raises:
        UnavailableError: Home Assistant cannot reach Ollama there, or the entry did not load in `timeout_s`.
    """
    flow = await home.call("POST", FLOWS, {"handler": DOMAIN, "show_advanced_options": False})
    step = await home.call("POST", f"{FLOWS}/{flow['flow_id']}", {"url": url})
    if step["type"] == "create_entry":
        entry_id = str(step["result"]["entry_id"])
    elif step["type"] == "abort" and step.get("reason") == "already_configured":
        entry_id = _find_ours(await _entries(home), url)
    else:
        if step["type"] == "form":
            await home.call("DELETE", f"{FLOWS}/{flow['flow_id']}")
        raise UnavailableError(
            f"Home Assistant could not set up Ollama: {cap(str(step.get('errors') or step.get('reason')))}",
            remedy="it is tried again; see whether the tenant's ollama pod runs and the gateway answers",
        )
    await _give_title(home, entry_id)
    await _wait_until_loaded(home, entry_id, timeout_s)
    return entry_id


async def ensure_agent(home: HomeAssistant, entry_id: str, agent: Agent, timeout_s: float) -> str:
    """Have our conversation agent in the entry; return its entity id once Home Assistant can be asked through it.

    What a resident changed in it (the prompt, the history) stays, also where a new entry takes an older one's place;
    the model is ours to set.
    """
    async with home.commands() as commands:
        agents = await commands.send("config_entries/subentries/list", entry_id=entry_id)
        ours = next((one for one in agents if one["subentry_type"] == "conversation"), None)
        if ours is None:
            await _create_agent(home, entry_id, agent, await _settings_of_older(home, commands, entry_id))
        else:
            await _update_agent(home, entry_id, ours["subentry_id"], agent)
        return await wait_for_entity(home, commands, entry_id, timeout_s)


async def older_entries(home: HomeAssistant, entry_id: str) -> list[str]:
    """Return the ids of our entries besides this one, the latest last."""
    ours = [one for one in await _entries(home) if one["title"] == ENTRY_TITLE and one["entry_id"] != entry_id]
    return [str(one["entry_id"]) for one in sorted(ours, key=lambda one: float(one.get("created_at", 0)))]


async def _create_agent(home: HomeAssistant, entry_id: str, agent: Agent, kept: dict[str, Any]) -> None:
    flow = await home.call("POST", AGENT_FLOWS, {"handler": [entry_id, "conversation"]})
    usual = {"name": AGENT_NAME, "prompt": PROMPT, "max_history": 4, "keep_alive": -1}
    await _submit(home, flow, usual | kept | agent.to_form(), "create_entry")


async def _settings_of_older(home: HomeAssistant, commands: Commands, entry_id: str) -> dict[str, Any]:
    """Return what stands in the form of our agent in an older entry; nothing where that entry's key is dead already."""
    for older in reversed(await older_entries(home, entry_id)):
        for one in await commands.send("config_entries/subentries/list", entry_id=older):
            if one["subentry_type"] != "conversation":
                continue
            handler = {"handler": [older, "conversation"], "subentry_id": one["subentry_id"]}
            with contextlib.suppress(RefusedError, UnavailableError):
                flow = await home.call("POST", AGENT_FLOWS, handler)
                if flow["type"] == "form":
                    await home.call("DELETE", f"{AGENT_FLOWS}/{flow['flow_id']}")
                    return _kept(_suggested(flow))
    return {}


def _kept(present: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in present.items() if name != "llm_hass_api"}


async def _update_agent(home: HomeAssistant, entry_id: str, subentry_id: str, agent: Agent) -> None:
    handler = {"handler": [entry_id, "conversation"], "subentry_id": subentry_id}
    flow = await home.call("POST", AGENT_FLOWS, handler)
    present = _suggested(flow)
    if present.get("model") == agent.model:
        await home.call("DELETE", f"{AGENT_FLOWS}/{flow['flow_id']}")
        return
    await _submit(home, flow, _kept(present) | agent.to_form(), "abort", "reconfigure_successful")


async def _submit(
    home: HomeAssistant, flow: Mapping[str, Any], form: Mapping[str, Any], end: str, reason: str | None = None
) -> None:
    """Answer a flow's form and check that the flow ends as it should."""
    if flow["type"] != "form":
        raise UnavailableError(f"Home Assistant does not offer the agent's form: {cap(str(flow.get('reason')))}")
    step = await home.call("POST", f"{AGENT_FLOWS}/{flow['flow_id']}", dict(form))
    if (step["type"], step.get("reason")) == (end, reason):
        return
    if step["type"] == "progress":
        # Home Assistant would have Ollama fetch the model, which is the pull Job's work.
        await home.call("DELETE", f"{AGENT_FLOWS}/{flow['flow_id']}")
        raise UnavailableError(f"Ollama does not list the model {form['model']} yet")
    raise RefusedError(f"Home Assistant did not take the agent: {cap(str(step.get('errors') or step.get('reason')))}")


def _suggested(flow: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that a form shows, by field."""
    fields = flow.get("data_schema") or []
    values = {field["name"]: (field.get("description") or {}).get("suggested_value") for field in fields}
    return {name: value for name, value in values.items() if value is not None}


async def _entries(home: HomeAssistant) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = await home.call("GET", f"/api/config/config_entries/entry?domain={DOMAIN}")
    return entries


def _find_ours(entries: list[dict[str, Any]], url: str) -> str:
    """Return the entry that speaks to `url`: Home Assistant says that there is one, but not which.

    A run that was interrupted left it with the URL as its title; else it is the one that we titled last.
    """
    for title in (url, ENTRY_TITLE):
        if found := [entry for entry in entries if entry["title"] == title]:
            return str(max(found, key=lambda entry: entry.get("created_at", 0))["entry_id"])
    if not entries:
        raise NotFoundError("Home Assistant says that Ollama is set up, but lists no entry of it")
    # The resident gave it another title.
    return str(max(entries, key=lambda entry: entry.get("created_at", 0))["entry_id"])


async def _give_title(home: HomeAssistant, entry_id: str) -> None:
    """Give our entry its title, instead of the URL with the key in it."""
    if any(entry["entry_id"] == entry_id and entry["title"] != ENTRY_TITLE for entry in await _entries(home)):
        async with home.commands() as commands:
            await commands.send("config_entries/update", entry_id=entry_id, title=ENTRY_TITLE)


async def _wait_until_loaded(home: HomeAssistant, entry_id: str, timeout_s: float) -> None:
    entry: dict[str, Any] = {}
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                entry = next((one for one in await _entries(home) if one["entry_id"] == entry_id), {})
                if entry.get("state") == "loaded":
                    return
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError as error:
        what = f"{entry.get('state', 'gone')} {entry.get('reason') or ''}".strip()
        raise UnavailableError(f"Home Assistant's Ollama entry did not load in {timeout_s:.0f} s: {what}") from error


async def wait_for_entity(home: HomeAssistant, commands: Commands, entry_id: str, timeout_s: float) -> str:
    """Return the agent's entity id when the entity answers; saving the agent has just reloaded the entry."""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                for entity in await commands.send("config/entity_registry/list"):
                    name = str(entity["entity_id"])
                    is_agent = entity["config_entry_id"] == entry_id and name.startswith("conversation.")
                    if is_agent and await _answers(home, name):
                        return name
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError as error:
        raise UnavailableError(f"the agent did not appear in Home Assistant in {timeout_s:.0f} s") from error


async def _answers(home: HomeAssistant, entity_id: str) -> bool:
    try:
        state = await home.call("GET", f"/api/states/{entity_id}")
    except NotFoundError:
        return False
    return bool(state["state"] != "unavailable")
