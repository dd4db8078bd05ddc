"""Talking with a home: which agent the preferred assistant uses, and asking it."""

from typing import Any, Final

from insula.domain.errors import RefusedError, UnavailableError, cap
from insula.homeassistant.connection import HomeAssistant

# Home Assistant's own agent, which knows sentences and no model: what a new pipeline has.
BUILT_IN: Final = ("conversation.home_assistant", "homeassistant")
TALK_S: Final = 300.0  # a cold model is read first


async def prefer_agent(home: HomeAssistant, entity_id: str) -> bool:
    """Let the preferred assistant talk through the agent; return whether something was changed.

    An assistant for which the resident chose another agent that exists stays as it is. What Home Assistant's own agent
    understands ("turn on the light") it goes on to do itself: it is faster, and a small model could not.
    """
    async with home.commands() as commands:
        known = await commands.send("assist_pipeline/pipeline/list")
        pipeline: dict[str, Any] = next(one for one in known["pipelines"] if one["id"] == known["preferred_pipeline"])
        engine = pipeline["conversation_engine"]
        if engine == entity_id or (engine not in BUILT_IN and await _exists(home, engine)):
            return False
        fields = {name: value for name, value in pipeline.items() if name != "id"}
        fields |= {"conversation_engine": entity_id, "prefer_local_intents": True}
        await commands.send("assist_pipeline/pipeline/update", pipeline_id=pipeline["id"], **fields)
        return True


async def ask(home: HomeAssistant, text: str, *, agent: str, language: str = "en") -> str:
    """Say `text` to one agent and return its answer.

    Raises:
        RefusedError: The agent answered with an error; the message repeats it.
    """
    body = {"text": text, "language": language, "agent_id": agent}
    response = (await home.call("POST", "/api/conversation/process", body, timeout_s=TALK_S))["response"]
    return _speech(response)


async def run_assistant(home: HomeAssistant, text: str) -> str:
    """Say `text` to the preferred assistant, as the companion app does, and return its answer."""
    fields: dict[str, Any] = {"start_stage": "intent", "end_stage": "intent", "input": {"text": text}}
    answer = ""
    async with home.commands() as commands:
        async for event in commands.events("assist_pipeline/run", timeout_s=TALK_S, **fields):
            if event["type"] == "intent-end":
                answer = _speech(event["data"]["intent_output"]["response"])
            elif event["type"] == "error":
                raise RefusedError(f"the assistant failed: {cap(str(event['data'].get('message')))}")
            elif event["type"] == "run-end":
                return answer
    raise UnavailableError("the assistant ended without an answer")


async def _exists(home: HomeAssistant, engine: str) -> bool:
    """Say whether an agent is there; agents that are no entities belong to older integrations and count as there."""
    if not engine.startswith("conversation."):
        return True
    states = await home.call("GET", "/api/states")
    return any(state["entity_id"] == engine for state in states)


def _speech(response: dict[str, Any]) -> str:
    text = str(response["speech"].get("plain", {}).get("speech", ""))
    if response["response_type"] == "error":
        raise RefusedError(f"the agent answered with an error: {cap(text)}")
    return text
