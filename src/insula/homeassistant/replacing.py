"""Puts our new entry in the place of an older one while the home goes on answering: a key has been changed."""

from collections.abc import Collection
from typing import Final

from insula.homeassistant.connection import Commands, HomeAssistant
from insula.homeassistant.integration import older_entries, wait_for_entity

AGENTS: Final = "conversation."


async def retire_older(home: HomeAssistant, entry_id: str, agent: str, timeout_s: float) -> str:
    """Remove our older entries when nobody talks through them any more; return the agent's entity id.

    The agent of the new entry bears another entity id while both are there. It takes over the old one's, because a
    resident's automations name it.

    Args:
        home: Logged in.
        entry_id: Our entry that is to stay.
        agent: The entity id of its agent.
        timeout_s: How long the agent may take to appear under its final id.
    """
    older = await older_entries(home, entry_id)
    if not older:
        return agent
    async with home.commands() as commands:
        known = await commands.send("config/entity_registry/list")
        entities = [(str(one["entity_id"]), one["config_entry_id"]) for one in known]
        retired = [name for name, entry in entities if entry in older and name.startswith(AGENTS)]
        await _redirect(commands, retired, agent)
        for other in older:
            await home.call("DELETE", f"/api/config/config_entries/entry/{other}")
        if not retired:
            return agent
        # The shortest is the one without a number.
        final = min(retired, key=len)
        await commands.send("config/entity_registry/update", entity_id=agent, new_entity_id=final)
        await _redirect(commands, [agent], final)
        return await wait_for_entity(home, commands, entry_id, timeout_s)


async def _redirect(commands: Commands, engines: Collection[str], agent: str) -> None:
    """Let every assistant that talks through one of these agents talk through another one."""
    known = await commands.send("assist_pipeline/pipeline/list")
    for pipeline in known["pipelines"]:
        if pipeline["conversation_engine"] in engines:
            fields = {name: value for name, value in pipeline.items() if name != "id"} | {"conversation_engine": agent}
            await commands.send("assist_pipeline/pipeline/update", pipeline_id=pipeline["id"], **fields)
